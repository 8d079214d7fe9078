// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// The schema registry's packaged settings (application.properties).
func registryDefaults() properties {
	return properties{"server.port": "8080", "schema.storage.type": "rocketmq", "schema.storage.config-path": "", probesEnabled: "false"}
}

const registryAPI = "/schema-registry/v1"

// probesEnabled is the property that gives a Spring Boot application its readiness.
const probesEnabled = "management.endpoint.health.probes.enabled"

// registry keeps Avro schemas in a topic, as the real one does: one message for each change, by the schema's name. It looks for
// that topic once, when it starts: if no name server answers then, it goes on, says that it is ready, and answers nothing.
type registry struct {
	log *topicLog
	// broken is why it could not start.
	broken error
}

// record is one schema of a subject.
type record struct {
	Subject string `json:"subject"`
	Schema  string `json:"schema"`
	IDL     string `json:"idl"`
	Version int64  `json:"version"`
}

func newRegistry(ctx context.Context, p properties, rc *remoting.Client) (http.Handler, error) {
	if p["schema.storage.type"] != "rocketmq" {
		return nil, fmt.Errorf("schema.storage.type=%s is not played", p["schema.storage.type"])
	}
	storage, err := readProperties(p["schema.storage.config-path"])
	if err != nil {
		return nil, err
	}
	cache := storage["storage.local.cache.path"]
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("storage.local.cache.path: %w", err)
	}
	topic := storage["storage.rocketmq.topic"]
	if topic == "" {
		topic = "RMQ_SYS_schema_registry_storage"
	}
	reg := &registry{log: &topicLog{cluster: newCluster(rc, storage["storage.rocketmq.namesrv"], nil), remoting: rc, topic: topic}}
	if reg.broken = reg.log.create(ctx); reg.broken != nil {
		fmt.Fprintln(os.Stderr, "unable to initialize:", reg.broken)
	}
	mux := http.NewServeMux()
	// It never gets well: 0.1.0 sets nothing of what it looks at.
	mux.HandleFunc("GET /actuator/health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "OUT_OF_SERVICE"})
	})
	if p[probesEnabled] == "true" && p.exposesHealth() {
		mux.HandleFunc("GET /actuator/health/readiness", healthy)
	}
	mux.HandleFunc("GET "+registryAPI+"/cluster/default/tenant/default/subjects", reg.started(reg.list))
	mux.HandleFunc("POST "+registryAPI+"/subject/{subject}/schema/{schema}", reg.started(reg.register))
	mux.HandleFunc("GET "+registryAPI+"/subject/{subject}/schema", reg.started(reg.get))
	return mux, nil
}

// started refuses whatever needs the topic that was not found.
func (reg *registry) started(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if reg.broken != nil {
			writeJSON(w, http.StatusInternalServerError, map[string]string{"message": reg.broken.Error()})
			return
		}
		next(w, r)
	}
}

// list answers with the subjects of all schemas.
func (reg *registry) list(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	subjects := map[string]bool{}
	err := reg.each(ctx, func(rec record) { subjects[rec.Subject] = true })
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, slices.Sorted(maps.Keys(subjects)))
}

// readProperties reads a Java properties file of plain lines.
func readProperties(path string) (properties, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("schema.storage.config-path: %w", err)
	}
	out := properties{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			out[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return out, nil
}

func (reg *registry) register(w http.ResponseWriter, r *http.Request) {
	var request struct {
		IDL string `json:"schemaIdl"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !json.Valid([]byte(request.IDL)) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "schemaIdl is no Avro schema"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	rec := record{Subject: r.PathValue("subject"), Schema: r.PathValue("schema"), IDL: request.IDL, Version: 1}
	_, err := reg.find(ctx, rec.Subject)
	if err == nil {
		writeJSON(w, http.StatusConflict, map[string]string{"message": "the schema exists"})
		return
	}
	if errors.Is(err, errNoSchema) {
		var body []byte
		if body, err = json.Marshal(rec); err == nil {
			err = reg.log.append(ctx, rec.Subject, body)
		}
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"recordId": rec.Version})
}

func (reg *registry) get(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	rec, err := reg.find(ctx, r.PathValue("subject"))
	switch {
	case errors.Is(err, errNoSchema):
		writeJSON(w, http.StatusNotFound, map[string]string{"message": err.Error()})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
	default:
		writeJSON(w, http.StatusOK, map[string]any{
			"subjectFullName": "default/default/" + rec.Subject, "schemaFullName": "default/" + rec.Schema,
			"recordId": rec.Version, "version": rec.Version, "idl": rec.IDL, "type": "AVRO",
		})
	}
}

var errNoSchema = errors.New("there is no schema of that subject")

func (reg *registry) find(ctx context.Context, subject string) (record, error) {
	found, none := record{}, errNoSchema
	err := reg.each(ctx, func(rec record) {
		if rec.Subject == subject {
			found, none = rec, nil
		}
	})
	if err == nil {
		err = none
	}
	return found, err
}

// each reads the topic from its beginning: the cluster holds the schemas, not this process.
func (reg *registry) each(ctx context.Context, do func(record)) error {
	bodies, err := reg.log.read(ctx)
	if err != nil {
		return err
	}
	for _, body := range bodies {
		var rec record
		if json.Unmarshal(body, &rec) == nil {
			do(rec)
		}
	}
	return nil
}

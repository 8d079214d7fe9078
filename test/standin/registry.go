package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// The schema registry's packaged settings (application.properties).
func registryDefaults() properties {
	return properties{"server.port": "8080", "schema.storage.type": "rocketmq", "schema.storage.config-path": ""}
}

const registryAPI = "/schema-registry/v1"

// registry keeps Avro schemas in a topic, as the real one does: one message for each change, by the schema's name. It ends
// at once if it cannot reach that topic.
type registry struct{ log *topicLog }

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
	reg := &registry{log: &topicLog{cluster: newCluster(rc, storage["storage.rocketmq.namesrv"]), remoting: rc, topic: topic}}
	if err := reg.log.create(ctx); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /actuator/health", healthy)
	mux.HandleFunc("POST "+registryAPI+"/subject/{subject}/schema/{schema}", reg.register)
	mux.HandleFunc("GET "+registryAPI+"/subject/{subject}/schema", reg.get)
	return mux, nil
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

// find reads the topic from its beginning: the cluster holds the schemas, not this process.
func (reg *registry) find(ctx context.Context, subject string) (record, error) {
	bodies, err := reg.log.read(ctx)
	if err != nil {
		return record{}, err
	}
	found, err := record{}, errNoSchema
	for _, body := range bodies {
		var rec record
		if json.Unmarshal(body, &rec) == nil && rec.Subject == subject {
			found, err = rec, nil
		}
	}
	return found, err
}

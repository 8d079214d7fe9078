// SPDX-License-Identifier: Apache-2.0

// Command standin plays the dashboard 2.1.0, the exporter 0.0.2 and the schema registry 0.1.0 of RocketMQ where their own
// images cannot be had. It is found under the same port, paths and login, reads the same properties from the same places,
// and shows what the name servers that it was given really say, so that wrong or stale addresses, ports, probes and Secrets
// fail a test as they would with the real program.
//
// Usage: standin dashboard | exporter | schema-registry [--property=value …]
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string) error {
	if len(args) == 0 {
		return errors.New("usage: standin dashboard | exporter | schema-registry [--property=value …]")
	}
	rc := remoting.NewClient(remoting.Options{Timeout: 5 * time.Second})
	defer rc.Close()
	var p properties
	var handler http.Handler
	var err error
	switch args[0] {
	case "dashboard":
		// Its image starts java through a shell, which passes JAVA_OPTS and no arguments.
		if p, err = load(dashboardDefaults(), environ, nil, "JAVA_TOOL_OPTIONS", "JAVA_OPTS"); err == nil {
			handler, err = newDashboard(p, rc)
		}
	case "exporter":
		if p, err = load(exporterDefaults(), environ, args[1:], "JAVA_TOOL_OPTIONS"); err == nil {
			handler = newExporter(p, rc)
		}
	case "schema-registry":
		if p, err = load(registryDefaults(), environ, args[1:], "JAVA_TOOL_OPTIONS", "JAVA_OPTS"); err == nil {
			handler, err = newRegistry(ctx, p, rc)
		}
	default:
		err = fmt.Errorf("there is no stand-in for %q", args[0])
	}
	if err != nil {
		return err
	}
	if handler, err = deployed(p, handler); err != nil {
		return err
	}
	return serve(ctx, ":"+p["server.port"], handler)
}

func serve(ctx context.Context, addr string, handler http.Handler) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "listening on", addr)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(last)
}

// deployed puts an application where its properties say, as Spring Boot does: all pages are below the context path, and nothing is
// elsewhere. What would move pages in other ways is not played, so that no test passes because a stand-in knows nothing of it.
func deployed(p properties, application http.Handler) (http.Handler, error) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		for _, prefix := range []string{"management.server.", "management.endpoints.web.base-path", "server.ssl.", "server.address"} {
			if strings.HasPrefix(name, prefix) {
				return nil, fmt.Errorf("%s=%s is not played", name, p[name])
			}
		}
	}
	contextPath := strings.TrimSuffix(p[contextPath], "/")
	if contextPath == "" {
		return application, nil
	}
	mux := http.NewServeMux() // redirects from the context path itself to what is below, as Tomcat does
	mux.Handle(contextPath+"/", http.StripPrefix(contextPath, application))
	return mux, nil
}

// contextPath is the property that all pages are below.
const contextPath = "server.servlet.context-path"

// exposesHealth reports whether the actuator shows an application's health; by default it shows nothing else.
func (p properties) exposesHealth() bool {
	included, given := p["management.endpoints.web.exposure.include"]
	return !given || strings.Contains(included, "health") || included == "*"
}

// healthy answers as Spring Boot's actuator.
func healthy(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "UP"})
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestContextPath: under a context path nothing is where it was, as with a real Spring Boot application, and redirects keep the scheme
// and host that the browser used only if the application heeds what proxies say.
func TestContextPath(t *testing.T) {
	start := func(further properties) string {
		t.Helper()
		p := properties{contextPath: "/mq", "rocketmq.config.namesrvAddrs[0]": "ns:9876", "rocketmq.config.dataPath": t.TempDir(), "rocketmq.config.loginRequired": "true"}
		for name, value := range further {
			p[name] = value
		}
		handler, err := newDashboard(p, client(t))
		if err == nil {
			handler, err = deployed(p, handler)
		}
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(url string) (status int, location string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-Proto", "https")
		request.Header.Set("X-Forwarded-Host", "ops.example.com")
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode, response.Header.Get("Location")
	}

	plain, forwarded := start(nil), start(properties{"server.forward-headers-strategy": "framework"})
	for path, status := range map[string]int{
		"/mq/actuator/health": http.StatusOK, "/mq/": http.StatusOK, "/mq": http.StatusMovedPermanently,
		"/actuator/health": http.StatusNotFound, "/": http.StatusNotFound, "/cluster/list.query": http.StatusNotFound,
	} {
		if got, _ := ask(plain + path); got != status && !(status == http.StatusMovedPermanently && got/100 == 3) {
			t.Errorf("%s: %d, want %d", path, got, status)
		}
	}
	if _, to := ask(plain + "/mq/cluster/list.query"); !strings.HasPrefix(to, plain+"/mq/#/login") {
		t.Errorf("without heed of proxies the login is at %s", to)
	}
	if _, to := ask(forwarded + "/mq/cluster/list.query"); !strings.HasPrefix(to, "https://ops.example.com/mq/#/login") {
		t.Errorf("behind a proxy the login is at %s", to)
	}
	if got, _ := ask(start(properties{"management.endpoints.web.exposure.include": "info"}) + "/mq/actuator/health"); got != http.StatusNotFound {
		t.Errorf("a health that is not exposed: %d", got)
	}
	if _, err := deployed(properties{"management.server.port": "8081"}, http.NotFoundHandler()); err == nil {
		t.Error("a second port is not played, and nobody notices")
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// The dashboard's packaged settings (application.yml).
func dashboardDefaults() properties {
	return properties{
		"server.port":                     "8082",
		"rocketmq.config.namesrvAddr":     "",
		"rocketmq.config.namesrvAddrs[0]": "127.0.0.1:9876",
		"rocketmq.config.dataPath":        "/tmp/rocketmq-console/data",
		"rocketmq.config.loginRequired":   "false",
		"rocketmq.config.accessKey":       "",
		"rocketmq.config.secretKey":       "",
	}
}

// packagedUsers are in force when the login is required and there is no file of users: the real dashboard's defaults.
const packagedUsers = "super=admin,1\nuser1=user\nuser2=user\n"

//go:embed page.html
var page []byte

// dashboard shows the brokers of a cluster, behind a login if it is required.
type dashboard struct {
	cluster
	login bool
	users string // file
	// at is the context path. forwarded: what a proxy says of the browser's own request counts.
	at        string
	forwarded bool

	mu       sync.Mutex
	sessions map[string]string // user by session
}

func newDashboard(p properties, rc *remoting.Client) (http.Handler, error) {
	d := &dashboard{
		cluster: newCluster(rc, p["rocketmq.config.namesrvAddrs[0]"], p), login: p["rocketmq.config.loginRequired"] == "true",
		users: filepath.Join(p["rocketmq.config.dataPath"], "users.properties"), sessions: map[string]string{},
		at: strings.TrimSuffix(p[contextPath], "/"), forwarded: p["server.forward-headers-strategy"] == "framework",
	}
	// Its charts and alarms are kept in files: it must be able to write them.
	for _, directory := range []string{"dashboard", "monitor"} {
		path := filepath.Join(p["rocketmq.config.dataPath"], directory)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(path, "standin"), nil, 0o600); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	if p.exposesHealth() {
		mux.HandleFunc("GET /actuator/health", healthy)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /cluster/list.query", d.guarded(d.list))
	mux.HandleFunc("GET /login/check.query", d.check)
	mux.HandleFunc("POST /login/login.do", d.logIn)
	return mux, nil
}

// guarded sends whoever is not logged in to the login page.
func (d *dashboard) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if d.login && d.user(r) == "" {
			http.Redirect(w, r, d.origin(r)+d.at+"/#/login?redirect="+url.QueryEscape(r.URL.Path), http.StatusFound)
			return
		}
		next(w, r)
	}
}

// origin that a browser is sent to: Tomcat writes whole addresses, of the request as it sees it. A proxy that ends TLS asks by http.
func (d *dashboard) origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if d.forwarded {
		scheme = cmp.Or(r.Header.Get("X-Forwarded-Proto"), scheme)
		host = cmp.Or(r.Header.Get("X-Forwarded-Host"), host)
	}
	return scheme + "://" + host
}

func (d *dashboard) user(r *http.Request) string {
	cookie, err := r.Cookie("JSESSIONID")
	if err != nil {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions[cookie.Value]
}

// list answers as the real one, with each broker's own figures.
func (d *dashboard) list(w http.ResponseWriter, r *http.Request) {
	info, err := d.info(r.Context())
	if err != nil {
		failed(w, err)
		return
	}
	brokers := map[string]map[int64]any{}
	for name, group := range info.Brokers {
		brokers[name] = map[int64]any{}
		for id, addr := range group.Addrs {
			figures, err := d.admin.BrokerRuntimeInfo(r.Context(), addr)
			if err != nil {
				failed(w, err)
				return
			}
			brokers[name][id] = figures
		}
	}
	succeeded(w, map[string]any{"clusterInfo": info, "brokerServer": brokers})
}

func (d *dashboard) check(w http.ResponseWriter, r *http.Request) {
	succeeded(w, map[string]bool{"logined": d.user(r) != "", "loginRequired": d.login})
}

func (d *dashboard) logIn(w http.ResponseWriter, r *http.Request) {
	name, password := r.FormValue("username"), r.FormValue("password")
	known, err := d.knows(name, password)
	switch {
	case err != nil:
		failed(w, err)
		return
	case !known:
		failed(w, errors.New("Bad username or password!"))
		return
	}
	session := rand.Text()
	d.mu.Lock()
	d.sessions[session] = name
	d.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: session, Path: cmp.Or(d.at, "/"), HttpOnly: true})
	succeeded(w, map[string]string{"loginUserName": name})
}

// knows reads the users anew each time: the real one watches its file.
func (d *dashboard) knows(name, password string) (bool, error) {
	var text io.Reader
	file, err := os.Open(d.users)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = strings.NewReader(packagedUsers)
	case err != nil:
		return false, err
	default:
		defer file.Close()
		text = file
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		user, rest, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		secret, _, _ := strings.Cut(rest, ",")
		if ok && !strings.HasPrefix(user, "#") && user == name && secret == password {
			return true, nil
		}
	}
	return false, lines.Err()
}

func succeeded(w http.ResponseWriter, data any) {
	writeJSON(w, http.StatusOK, map[string]any{"status": 0, "data": data, "errMsg": nil})
}

// failed answers 200 like the real one; the status is in the body.
func failed(w http.ResponseWriter, err error) {
	fmt.Fprintln(os.Stderr, err)
	writeJSON(w, http.StatusOK, map[string]any{"status": -1, "data": nil, "errMsg": err.Error()})
}

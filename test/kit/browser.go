// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Browser is a headless Chromium.
type Browser struct{ path string }

// FindBrowser looks for Chromium, and installs Debian's package of it where that is possible. A nil Browser means that there is
// none here, for the reason that the error says.
func FindBrowser(ctx context.Context, log *Log) (*Browser, error) {
	const name = "chromium"
	if path, err := exec.LookPath(name); err == nil {
		return &Browser{path}, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return nil, fmt.Errorf("%s is not installed, and only root on Debian can install it here", name)
	}
	log.Printf("apt-get install %s", name)
	aptGet := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-qq", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	install := []string{"install", "--yes", "--no-install-recommends", name, "fonts-dejavu-core"}
	err := aptGet(install...)
	if err != nil { // most likely the package lists are missing or out of date
		if err := aptGet("update"); err != nil {
			return nil, err
		}
		err = aptGet(install...)
	}
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	return &Browser{path}, nil
}

// Look opens a page, lets its scripts run for some seconds, and returns the page as it is then. It takes a picture of that if
// picture is a path. Whatever the page asks of the URL's host and port is asked of the address at, as if it was forwarded.
func (b *Browser) Look(ctx context.Context, page, at, picture string) (string, error) {
	address, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	home, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + home,
		"--virtual-time-budget=15000", "--window-size=1600,520", "--hide-scrollbars",
		fmt.Sprintf("--host-resolver-rules=MAP %s %s", address.Host, at)}
	text, err := b.run(ctx, append(args, "--dump-dom", page)...)
	if err != nil || picture == "" {
		return text, err
	}
	if err := os.MkdirAll(filepath.Dir(picture), 0o755); err != nil {
		return text, err
	}
	still := filepath.Join(home, "still.html")
	if err := os.WriteFile(still, []byte(stillOf(text, page)), 0o600); err != nil {
		return text, err
	}
	_, err = b.run(ctx, append(args, "--screenshot="+picture, "file://"+still)...)
	return text, err
}

var script = regexp.MustCompile(`(?s)<script\b.*?</script>`)

// stillOf is what a page has become, without what makes it move: Chromium's clock leaves things half faded in.
func stillOf(text, page string) string {
	head := `<base href="` + page + `"><style>* {animation: none !important; transition: none !important; transform: none !important; opacity: 1 !important} body {margin: 0}</style></head>`
	return strings.Replace(script.ReplaceAllString(text, ""), "</head>", head, 1)
}

func (b *Browser) run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("chromium: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// tlsFlags are what a pod's template says of TLS (settings.TLSServerFlag and the others).
type tlsFlags struct {
	server, secret     string
	client, clientAuth bool
}

func (f *tlsFlags) register(flags *flag.FlagSet) {
	name := func(flag string) string { return strings.TrimPrefix(flag, "--") }
	flags.StringVar(&f.server, name(settings.TLSServerFlag), "", "take connections with the certificate of the user: "+
		settings.TLSPermissive+", with and without TLS, or "+settings.TLSEnforcing)
	flags.BoolVar(&f.client, name(settings.TLSClientFlag), false, "open connections with TLS, and verify servers")
	flags.BoolVar(&f.clientAuth, name(settings.TLSClientAuthFlag), false, "clients must show a certificate that "+settings.TLSCA+" has signed")
	flags.StringVar(&f.secret, name(settings.TLSSecretFlag), "", "name of the Secret with the certificate")
}

func (f *tlsFlags) check(role settings.Role) error {
	switch {
	case f.server != "" && f.server != settings.TLSPermissive && f.server != settings.TLSEnforcing:
		return fmt.Errorf("%s=%s: it is %s or %s", settings.TLSServerFlag, f.server, settings.TLSPermissive, settings.TLSEnforcing)
	case f.clientAuth && f.server == "":
		return fmt.Errorf("%s needs %s", settings.TLSClientAuthFlag, settings.TLSServerFlag)
	case f.clientAuth && role == settings.Proxy:
		return fmt.Errorf("%s: the gRPC server of a proxy asks nobody for a certificate", settings.TLSClientAuthFlag)
	}
	return nil
}

// given reports whether the template asks for TLS.
func (f *tlsFlags) given() bool { return f.server != "" || f.client }

// certificate of the server as java starts with it, nil without TLS.
func (c *config) certificate(s settings.Settings) (*certificate, error) {
	secret := c.tls.secret
	serves := c.tls.server != ""
	if s.Proxy != nil && s.Proxy.TLSSecret != "" {
		secret, serves = cmp.Or(secret, s.Proxy.TLSSecret), true
	}
	if !serves && !c.tls.client {
		return nil, nil
	}
	cert := &certificate{
		secret: secret, mounted: c.tlsDir, installed: filepath.Join(c.runDir, "tls"),
		serves: serves, verifies: c.tls.client, asksClients: c.tls.clientAuth,
		// A proxy has no data, and others beside it.
		orExpired: c.role != settings.Proxy || !serves,
	}
	if c.role == settings.Proxy && !serves {
		if err := cert.selfSign(); err != nil {
			return nil, err
		}
	}
	_, err := cert.install()
	return cert, err
}

// tlsOptions for java: those that the user's own options may change, and those that they may not.
func (c *config) tlsOptions(s settings.Settings) (defaults, fixed []string) {
	if c.tls.server == "" {
		defaults = append(defaults, "-Dtls.server.mode="+tlsMode(s))
	} else {
		fixed = append(fixed, "-Dtls.server.mode="+c.tls.server)
	}
	switch {
	case c.tls.given():
		// Left alone, a server that enforces TLS speaks it to others too, though not with all of its clients (NettyClientConfig,
		// ClientConfig).
		fixed = append(fixed, "-Dtls.enable="+strconv.FormatBool(c.tls.client), "-Dtls.config.file="+c.tlsFile())
	case c.role == settings.Proxy:
		defaults = append(defaults, "-Dtls.enable=false")
	}
	return defaults, fixed
}

// tlsMode of a server whose template does not say it. RocketMQ's default, "permissive", makes a key and signs its own certificate at
// every start, which takes two seconds of a core and proves nothing to a client. Of a proxy, gRPC clients want TLS unless they are told
// not to, and do not check the certificate, so that it takes both; with a certificate of the user's it takes nothing else.
func tlsMode(s settings.Settings) string {
	switch {
	case s.Proxy == nil:
		return "disabled"
	case s.Proxy.TLSSecret == "":
		return "permissive"
	default:
		return "enforcing"
	}
}

// client with which the agent asks servers, its own and others.
func (c *config) client(in render.Input, cert *certificate, credentials *remoting.Credentials) *remoting.Client {
	options := remoting.Options{Credentials: credentials}
	if c.tls.client {
		options.TLSFor = func(addr string) (*tls.Config, error) { return cert.client(c.isOwn(in, addr)) }
		options.ServerName = func(addr string) string { return c.serverName(in, addr) }
	}
	return remoting.NewClient(options)
}

// serverName is the name that the certificate of a server must be for, if not the one that is dialled. This pod's server is dialled by
// its IP address. Other name servers are found by the name of their Service, and have the same certificate. Of all others, which have no
// names under hostNetwork, the certificate must be for the address.
func (c *config) serverName(in render.Input, addr string) string {
	host, _, _ := remoting.SplitAddr(addr)
	_, err := netip.ParseAddr(host)
	if c.isOwn(in, addr) || err == nil && c.role == settings.NameServer {
		return render.Name(in)
	}
	return ""
}

// isOwn reports whether this is an address of the server in this container. That of a proxy has no name in DNS, nor is it asked.
func (c *config) isOwn(in render.Input, addr string) bool {
	own := remoting.CanonicalAddr(c.address(in))
	_, port, _ := net.SplitHostPort(own) // it has one
	return c.role != settings.Proxy && (addr == own || addr == net.JoinHostPort("127.0.0.1", port))
}

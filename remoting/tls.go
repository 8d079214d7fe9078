// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"crypto/tls"
)

// tlsConfig returns the configuration for a new connection to addr; nil for one without TLS.
func (o *Options) tlsConfig(addr string) (*tls.Config, error) {
	config := o.TLS
	if o.TLSFor != nil {
		var err error
		if config, err = o.TLSFor(addr); err != nil {
			return nil, err
		}
	}
	if config == nil || config.ServerName != "" {
		return config, nil
	}
	config = config.Clone()
	config.ServerName = o.serverName(addr)
	return config, nil
}

// serverName is the name for which the certificate of the server at addr must be.
func (o *Options) serverName(addr string) string {
	if o.ServerName != nil {
		if name := o.ServerName(addr); name != "" {
			return name
		}
	}
	if host, _, err := SplitAddr(addr); err == nil {
		return host
	}
	return addr
}

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TLSSettings let servers speak TLS with a certificate of yours.
type TLSSettings struct {
	// SecretName is a Secret of type kubernetes.io/tls, with tls.crt, tls.key and, if a CA of yours signed the certificate, ca.crt, as
	// cert-manager writes them. Servers take a renewed certificate without a restart; controllers, and servers with clientAuth, are
	// restarted one at a time.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// CASecretName is a Secret whose ca.crt holds the CAs to trust, in place of the ca.crt in secretName. While a CA is replaced it holds
	// both.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	CASecretName string `json:"caSecretName,omitempty"`
	// Mode Enforcing, the default, refuses plain text. With Permissive, servers take both, and speak TLS to each other: for the time in
	// which clients are switched. With Offered they take both, and speak plain text to each other.
	// +optional
	// +kubebuilder:validation:Enum=Offered;Permissive;Enforcing
	Mode TLSMode `json:"mode,omitempty"`
	// ClientAuth Required lets only clients in that show a certificate which the CA signed. Proxies do not ask for one.
	// +optional
	// +kubebuilder:validation:Enum=None;Required
	ClientAuth TLSClientAuth `json:"clientAuth,omitempty"`
}

// TLSMode is what servers do about TLS. Each goes together with the one before and the one after it, and with no other.
type TLSMode string

// The modes, in the order in which servers are switched on. A spec says TLSDisabled by having no tls.
const (
	// TLSDisabled servers speak plain text.
	TLSDisabled TLSMode = "Disabled"
	// TLSOffered servers take both, and open connections in plain text.
	TLSOffered TLSMode = "Offered"
	// TLSPermissive servers take both, and open connections with TLS.
	TLSPermissive TLSMode = "Permissive"
	// TLSEnforcing servers take and open only connections with TLS.
	TLSEnforcing TLSMode = "Enforcing"
)

// TLSModes in the order in which servers are switched on.
func TLSModes() []TLSMode { return []TLSMode{TLSDisabled, TLSOffered, TLSPermissive, TLSEnforcing} }

// AmongServers reports whether servers of this mode speak TLS with each other.
func (m TLSMode) AmongServers() bool { return m == TLSPermissive || m == TLSEnforcing }

// TLSClientAuth says whether clients must show a certificate.
type TLSClientAuth string

// What clients must show.
const (
	ClientAuthNone     TLSClientAuth = "None"
	ClientAuthRequired TLSClientAuth = "Required"
)

// Wanted is the mode that the settings ask for.
func (t *TLSSettings) Wanted() TLSMode {
	switch {
	case t == nil:
		return TLSDisabled
	case t.Mode == "":
		return TLSEnforcing
	}
	return t.Mode
}

// Secrets are the names of those that the settings name.
func (t *TLSSettings) Secrets() (names []string) {
	if t == nil {
		return nil
	}
	names = []string{t.SecretName}
	if t.CASecretName != "" {
		names = append(names, t.CASecretName)
	}
	return names
}

// AuthenticatesClients reports whether clients must show a certificate.
func (t *TLSSettings) AuthenticatesClients() bool {
	return t != nil && t.ClientAuth == ClientAuthRequired
}

// TLSStatus is what servers are brought to, one after the other.
type TLSStatus struct {
	// Mode of the servers, Disabled while the last of them are led back to plain text. All have it when the condition UpToDate is True.
	Mode TLSMode `json:"mode"`
	// Expires is when the certificate in the Secret does.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
}

// Does is the mode of the servers.
func (t *TLSStatus) Does() TLSMode {
	if t == nil {
		return TLSDisabled
	}
	return t.Mode
}

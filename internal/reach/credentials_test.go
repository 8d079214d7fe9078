// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TestFor: brokers with authentication are asked with the account in their Secret, and never without.
func TestFor(t *testing.T) {
	broker := func(auth *v1alpha1.AuthSettings) *v1alpha1.Broker {
		return &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}, Spec: v1alpha1.BrokerSpec{Auth: auth}}
	}
	on, ref := &v1alpha1.AuthSettings{Enabled: true}, &v1alpha1.AuthSettings{Enabled: true, CredentialsSecretRef: &v1alpha1.SecretReference{Name: "mine"}}
	made := desired.NewBrokerAuthSecret(broker(on), func() string { return "p" })
	foreign := made.DeepCopy()
	foreign.Labels = nil
	mine := foreign.DeepCopy()
	mine.Name = "mine"
	incomplete := mine.DeepCopy()
	delete(incomplete.Data, "operator-password")
	for _, test := range []struct {
		name    string
		broker  *v1alpha1.Broker
		secrets []client.Object
		signed  bool
		want    string
	}{
		{"without authentication", broker(nil), nil, false, ""},
		{"switched off", broker(&v1alpha1.AuthSettings{}), nil, false, ""},
		{"made by the operator", broker(on), []client.Object{made}, true, ""},
		{"missing", broker(on), []client.Object{mine}, false, `Secret "b-auth" with the operator's credentials does not exist`},
		{"somebody else's", broker(on), []client.Object{foreign}, false, `Secret "b-auth" exists and was not made by the operator for this resource`},
		{"the user's", broker(ref), []client.Object{made, mine}, true, ""},
		{"the user's, incomplete", broker(ref), []client.Object{incomplete}, false, `Secret "mine" is of no use: it has no operator-password`},
		{"the user's, missing", broker(ref), []client.Object{made}, false, `Secret "mine" with the operator's credentials does not exist`},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := fake.NewClientBuilder().WithIndex(&corev1.Pod{}, IndexIP, IPOf).WithObjects(test.secrets...).Build()
			r := New(desired.Installation{}, objects, objects, remoting.Options{})
			t.Cleanup(func() { _ = r.Close() })
			asks, err := r.For(t.Context(), test.broker)
			if lacks := new(CredentialsError); test.want != "" && (!errors.As(err, &lacks) || lacks.Error() != test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			} else if test.want != "" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = asks.HAStatus(t.Context(), listener.Addr().String()) }()
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			head, err := bufio.NewReader(io.LimitReader(conn, 4+4)).Peek(8)
			if err != nil {
				t.Fatal(err)
			}
			header := make([]byte, int(head[6])<<8|int(head[7]))
			if _, err := io.ReadFull(conn, header); err != nil {
				t.Fatal(err)
			}
			if signed := bytes.Contains(header, []byte(`"AccessKey":"rocketmq-operator"`)); signed != test.signed || signed != strings.Contains(string(header), "Signature") {
				t.Errorf("sent %s", header)
			}
		})
	}
}

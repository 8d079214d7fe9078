// SPDX-License-Identifier: Apache-2.0

package remoting_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Ask a name server for the route of a topic.
func ExampleClient_Invoke() {
	c := remoting.NewClient(remoting.Options{Timeout: 5 * time.Second})
	defer c.Close()

	resp, err := c.Invoke(context.Background(), "10.0.0.1:9876", remoting.Request{
		Code:   remoting.GetRouteInfoByTopic,
		Fields: map[string]string{"topic": "orders"},
	})
	switch {
	case remoting.IsCode(err, remoting.TopicNotExist):
		fmt.Println("there is no such topic")
		return
	case err != nil:
		log.Fatal(err) // it names the request and the server
	}
	var route struct {
		Queues []struct {
			Broker string `json:"brokerName"`
			Queues int    `json:"writeQueueNums"`
		} `json:"queueDatas"`
	}
	if err := remoting.UnmarshalBody(resp.Body, &route); err != nil {
		log.Fatal(err)
	}
	for _, queue := range route.Queues {
		fmt.Println(queue.Broker, queue.Queues)
	}
}

// Count the entries of a table of any size without holding it in memory.
func ExampleClient_Stream() {
	c := remoting.NewClient(remoting.Options{})
	defer c.Close()

	entries := 0
	req := remoting.Request{Code: remoting.GetAllConsumerOffset, MaxAnswer: 1 << 30}
	err := c.Stream(context.Background(), "10.0.0.2:10911", req, func(_ *remoting.Response, body io.Reader) error {
		d := remoting.NewBodyDecoder(body)
		return d.Object(func(key string) error {
			if key != "offsetTable" {
				return nil
			}
			return d.Object(func(string) error {
				entries++
				return nil
			})
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(entries)
}

// Sign requests and check certificates against the names of servers whose IP addresses are dialled.
func ExampleOptions() {
	c := remoting.NewClient(remoting.Options{
		Credentials: &remoting.Credentials{AccessKey: "operator", SecretKey: "password"},
		TLSFor: func(string) (*tls.Config, error) {
			return currentTLS() // read anew after a renewal
		},
		ServerName: func(addr string) string {
			return map[string]string{"10.0.0.2:10911": "broker-0.brokers.svc"}[addr]
		},
	})
	defer c.Close()
}

func currentTLS() (*tls.Config, error) { return &tls.Config{MinVersion: tls.VersionTLS12}, nil }

// Find out why a request was refused.
func ExampleResponseError() {
	err := error(&remoting.ResponseError{
		Code: remoting.NoPermission, Remark: "check signature failed.", Request: remoting.GetBrokerConfig, Addr: "10.0.0.2:10911",
	})
	err = fmt.Errorf("reading the configuration: %w", err)

	fmt.Println(err)
	fmt.Println("refused:", remoting.IsCode(err, remoting.NoPermission, remoting.SystemBusy))
	fmt.Println("wrong password:", errors.Is(err, remoting.ErrSignature))
	// Output:
	// reading the configuration: GET_BROKER_CONFIG to 10.0.0.2:10911: NO_PERMISSION (16): check signature failed.
	// refused: true
	// wrong password: true
}

// Bodies have keys that are numbers, or even objects.
func ExampleUnmarshalBody() {
	body := []byte(`{"offsetTable":{"orders@billing":{0:17,1:4}},"rates":{{"queueId":1,"topic":"orders"}:NaN}}`)
	var v struct {
		Offsets map[string]map[int]int64 `json:"offsetTable"`
		Rates   map[string]*float64      `json:"rates"`
	}
	if err := remoting.UnmarshalBody(body, &v); err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Offsets["orders@billing"])
	fmt.Println(v.Rates)
	// Output:
	// map[0:17 1:4]
	// map[{"queueId":1,"topic":"orders"}:<nil>]
}

func ExampleBodyDecoder() {
	body := strings.NewReader(`{"brokerAddrs":{0:"10.0.0.1:10911",2:"10.0.0.2:10911"},"brokerName":"a"}`)
	d := remoting.NewBodyDecoder(body)
	err := d.Object(func(key string) error {
		if key != "brokerAddrs" {
			return nil // skipped
		}
		return d.Object(func(id string) error {
			addr, err := d.Text()
			fmt.Println(id, addr)
			return err
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0 10.0.0.1:10911
	// 2 10.0.0.2:10911
}

func ExampleSplitAddr() {
	for _, addr := range []string{"broker-0.svc:10911", "[fd00::1]:10911", "fd00::1:10911"} {
		host, port, err := remoting.SplitAddr(addr)
		fmt.Println(host, port, err)
	}
	// Output:
	// broker-0.svc 10911 <nil>
	// fd00::1 10911 <nil>
	// fd00::1 10911 <nil>
}

func ExampleCanonicalAddr() {
	fmt.Println(remoting.CanonicalAddr("fd00:0:0:0:0:0:0:1:10911"))
	// Output: [fd00::1]:10911
}

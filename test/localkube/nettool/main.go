// SPDX-License-Identifier: Apache-2.0

// Command nettool is the program of the self-test's pods: Debian's static busybox cannot resolve names in an image
// without the system's libraries.
//
//	nettool serve ADDRESS   answer every HTTP request with the host name
//	nettool get URL         print the body
//	nettool dial ADDRESS    connect within a second
//	nettool hold ADDRESS    ask for / on one connection twice a second, and print a line for each answer
//	nettool dns NAME        print the addresses, sorted
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: nettool {serve ADDRESS|get URL|dial ADDRESS|hold ADDRESS|dns NAME}")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "nettool:", err)
		os.Exit(1)
	}
}

func run(command, arg string) error {
	if command == "serve" {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		return http.ListenAndServe(arg, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, host) }))
	}
	if command == "hold" {
		return hold(arg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	switch command {
	case "dial":
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", arg)
		if err != nil {
			return err
		}
		return conn.Close()
	case "get":
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, arg, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(os.Stdout, res.Body)
		return err
	case "dns":
		addrs, err := net.DefaultResolver.LookupHost(ctx, arg)
		if err != nil {
			return err
		}
		slices.Sort(addrs)
		fmt.Println(addrs)
		return nil
	}
	return fmt.Errorf("unknown command %q", command)
}

// hold goes on until an answer does not come within two seconds.
func hold(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for {
		if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", address); err != nil {
			return err
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

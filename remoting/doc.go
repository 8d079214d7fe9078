// SPDX-License-Identifier: Apache-2.0

// Package remoting is a client of RocketMQ's remoting protocol. It sends requests to name servers, brokers and controllers
// and returns their answers. Package admin, beside it, has typed operations on top of it; use this package for requests that
// admin does not know.
//
//	c := remoting.NewClient(remoting.Options{})
//	defer c.Close()
//	resp, err := c.Invoke(ctx, "10.0.0.1:9876", remoting.Request{Code: remoting.GetBrokerClusterInfo})
//
// # Requests and answers
//
// A Request is a RequestCode, named fields and a body; the names are those of RocketMQ's Java header classes. Any number may be
// used as a code; names stand here for those that package admin sends. Bodies of answers look like JSON but are
// not: decode them with UnmarshalBody, or piece by piece with a BodyDecoder.
//
// # Errors
//
// A server that refuses a request is a *ResponseError with the server's code and remark; IsCode tells codes apart, and errors.Is
// finds the reason for which a server with access control refuses (ErrSignature and others). An answer that is longer than its
// request allows is an *AnswerTooLongError. With any other error no usable answer came, and it is unknown whether the server
// acted. The client repeats nothing by itself. Every error names the request and the server.
//
// # Time
//
// A call ends with its context. If that has no deadline, Options.Timeout (3 s) is one.
//
// # Connections
//
// A Client keeps one connection to each server, opens it for the first call and closes it when it has been idle
// (Options.IdleTimeout). Concurrent calls to one server share the connection and do not wait for each other's answers. After a
// call without any answer, the next one uses a new connection. All methods are safe for concurrent use. An idle connection
// costs about 5 KB.
//
// # Memory
//
// What a server sends cannot exhaust the client's memory: each request has a limit for its answer (Request.MaxAnswer, 1 MiB if
// nothing is said), and answers over 32 KiB share a budget (Options.MaxInFlight). Client.Stream hands a body out while it
// arrives, so that even an answer of hundreds of MB takes little.
//
// # Security
//
// Options.Credentials sign requests for servers with ACL 1.0 or 2.0. Options.TLS secures connections; certificates are checked
// against the host that is dialled, or against Options.ServerName. Options.TLSFor lets certificates change while the client
// runs.
//
// # Addresses
//
// Addresses are host:port. IPv6 addresses are understood with brackets and, as RocketMQ writes them, without: see SplitAddr.
package remoting

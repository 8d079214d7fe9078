// Package admin holds typed operations on RocketMQ's name servers, brokers and controllers, one file per kind of server
// or subject.
package admin

package main

import (
	"context"
	"errors"
)

type program struct{}

var operator, ledger program

func (b *builder) rocketmqImage(ctx context.Context, v string) (string, error) {
	return "", errors.New("todo")
}
func (b *builder) programImage(ctx context.Context, p program, v string) (string, error) {
	return "", errors.New("todo")
}

// SPDX-License-Identifier: Apache-2.0

package admin

// What log_test.go, which lies outside of the package because fakemq imports it, takes from inside.
const (
	MessageMagic      = messageMagic
	MessageMagic2     = messageMagic2
	BlankMagic        = blankMagic
	TransactionCommit = transactionCommit
)

var Stored = stored

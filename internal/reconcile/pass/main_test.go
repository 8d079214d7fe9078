// SPDX-License-Identifier: Apache-2.0

package pass_test

import (
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

func TestMain(m *testing.M) { world.Main(m) }

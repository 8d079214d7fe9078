#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# As in the official image: the first argument or NODE_ROLE chooses a server, anything else is run as it is given.
role=${NODE_ROLE:-$1}
case $role in
nameserver | broker | controller)
  [ "$1" = "$role" ] || [ "$1" = dummy ] && shift
  [ "$role" = nameserver ] && role=namesrv
  exec "./mq$role" "$@"
  ;;
esac
exec "$@"

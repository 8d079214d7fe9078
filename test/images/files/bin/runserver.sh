#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one server of RocketMQ in the place of this shell, so that signals reach java.
# usage: runserver.sh NAME MAIN-CLASS ARGUMENT...   (NAME chooses the logging configuration)
# HEAP_OPTS, JAVA_OPT and JAVA_OPT_EXT come from the environment; the last one wins.
: "${ROCKETMQ_HOME:=$(cd "$(dirname "$0")/.." && pwd)}"
export ROCKETMQ_HOME
# Outside an image: the Java this is tested with, where it is installed.
[ -n "$JAVA_HOME" ] || JAVA_HOME=$(ls -d /usr/lib/jvm/java-17-openjdk-amd64 2>/dev/null)
name=$1
main=$2
shift 2
# In this order java finds the classes of these jars in its archive.
jars=$(printf %s: "$ROCKETMQ_HOME"/lib/*.jar)
# The servers' default for every path is ${user.home}, which java takes from the user database and not from HOME.
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" ${HOME:+"-Duser.home=$HOME"} \
  --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED \
  --add-opens java.base/java.util=ALL-UNNAMED --add-opens java.base/jdk.internal.ref=ALL-UNNAMED \
  --add-exports java.base/sun.nio.ch=ALL-UNNAMED \
  $JAVA_OPT $HEAP_OPTS $JAVA_OPT_EXT \
  "-Drmq.logback.configurationFile=$ROCKETMQ_HOME/conf/rmq.$name.logback.xml" \
  -cp "$jars$ROCKETMQ_HOME/conf" "$main" "$@"

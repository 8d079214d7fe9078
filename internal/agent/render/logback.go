// SPDX-License-Identifier: Apache-2.0

package render

import _ "embed"

// Logback is the logging configuration of every server: everything to stdout. RocketMQ shades logback and rewrites the
// class prefix ch.qos.logback by itself (JoranConfiguratorExt), so these are the ordinary class names.
//
//go:embed logback.xml
var Logback string

// JavaSecurity shortens how long java remembers a name: pods get new addresses when they restart, and names that did
// not resolve a moment ago do once the other pod has started. The defaults are 30 s and 10 s. It is read through
// -Djava.security.properties, as a security property because JDK 8 to 17 set the second one in their own file.
const JavaSecurity = "networkaddress.cache.ttl=5\nnetworkaddress.cache.negative.ttl=1\n"

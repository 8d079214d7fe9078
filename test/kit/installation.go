// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Installation is a RocketMQ cluster: one resource of each kind, in a namespace.
type Installation struct {
	*Namespace
	// NameService, Controller and Broker are the resources' names; Controller is empty in STATIC mode.
	NameService, Controller, Broker string
}

// InstallationOf finds the resources' names in a file or directory of manifests.
func (n *Namespace) InstallationOf(path string) (*Installation, error) {
	files, err := manifestFiles(path)
	if err != nil {
		return nil, err
	}
	i := &Installation{Namespace: n}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := Decode(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, object := range objects {
			switch object.GetKind() {
			case "RocketMQCluster":
				i = n.InstallationOfCluster(object.GetName())
			case "NameService":
				i.NameService = object.GetName()
			case "Controller":
				i.Controller = object.GetName()
			case "Broker":
				i.Broker = object.GetName()
			}
		}
	}
	return i, nil
}

// InstallationOfCluster knows the names of what a RocketMQCluster with one pool of brokers without a name is made of.
func (n *Namespace) InstallationOfCluster(name string) *Installation {
	return &Installation{Namespace: n, NameService: name + "-ns", Controller: name + "-ctl", Broker: name + "-broker"}
}

// Address is what a client in the namespace uses, whatever the number of name servers.
func (i *Installation) Address() string { return i.NameService + "-nameserver:" + nameServerPort }

// NameServers are the name servers' pods.
func (i *Installation) NameServers(size int) []string { return podNames(i.NameService, size) }

// Controllers are the controllers' pods.
func (i *Installation) Controllers(size int) []string { return podNames(i.Controller, size) }

// NameServerAddresses are those of the pods, each for itself.
func (i *Installation) NameServerAddresses(size int) string {
	var addresses []string
	for _, pod := range i.NameServers(size) {
		addresses = append(addresses, pod+"."+i.NameService+"-nameserver-headless:"+nameServerPort)
	}
	return strings.Join(addresses, ";")
}

// Group is the brokerName of a broker group, counted from 0.
func (i *Installation) Group(group int) string { return i.Broker + "-" + strconv.Itoa(group) }

// Member is a pod of a broker group.
func (i *Installation) Member(group, ordinal int) string {
	return i.Group(group) + "-" + strconv.Itoa(ordinal)
}

// Topology is that of a Broker with so many groups of so many members.
func (i *Installation) Topology(groups, members int) Topology {
	t := Topology{}
	for group := range groups {
		t[i.Group(group)] = members
	}
	return t
}

func podNames(statefulSet string, size int) []string {
	var names []string
	for i := range size {
		names = append(names, statefulSet+"-"+strconv.Itoa(i))
	}
	return names
}

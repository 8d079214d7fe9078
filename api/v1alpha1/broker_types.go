// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterMode is how a broker group gets its master.
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.upperAscii() != 'CONTAINER'",message="clusterMode CONTAINER is not supported yet: use CONTROLLER (automatic failover) or STATIC"
// +kubebuilder:validation:XValidation:rule="self.size() == 0 || self.upperAscii() in ['STATIC', 'CONTROLLER', 'CONTAINER']",message="clusterMode must be STATIC or CONTROLLER"
type ClusterMode string

// The cluster modes.
const (
	// Static: pod 0 of a group is its master for ever.
	Static ClusterMode = "STATIC"
	// ControllerMode: controllers elect the master of a group and replace a dead one.
	ControllerMode ClusterMode = "CONTROLLER"
)

// BrokerSpec describes broker groups, each of one master and its slaves.
//
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.clusterMode) && oldSelf.clusterMode.size() > 0 ? oldSelf.clusterMode.upperAscii() : 'STATIC') == (has(self.clusterMode) && self.clusterMode.size() > 0 ? self.clusterMode.upperAscii() : 'STATIC')",message="clusterMode cannot change: create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.clusterName) ? oldSelf.clusterName : \"\") == (has(self.clusterName) ? self.clusterName : \"\")",message="clusterName cannot change: the brokers' data is bound to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storageMode) && oldSelf.storageMode.size() > 0 ? oldSelf.storageMode : 'StorageClass') == (has(self.storageMode) && self.storageMode.size() > 0 ? self.storageMode : 'StorageClass')",message="storageMode cannot change: create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="!has(self.storageMode) || self.storageMode != 'HostPath' || (has(self.hostPath) && self.hostPath.startsWith('/'))",message="storageMode HostPath needs hostPath, an absolute path on the nodes"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storageMode) || oldSelf.storageMode != 'HostPath' || !has(self.storageMode) || self.storageMode != 'HostPath' || (has(oldSelf.hostPath) ? oldSelf.hostPath : \"\") == (has(self.hostPath) ? self.hostPath : \"\")",message="hostPath cannot change: brokers would start without what they have stored in the old directory. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.storage) && has(oldSelf.storage.className) ? oldSelf.storage.className : !has(oldSelf.volumeClaimTemplates) || oldSelf.volumeClaimTemplates.size() == 0 ? \"\" : has(oldSelf.volumeClaimTemplates[0].spec) && has(oldSelf.volumeClaimTemplates[0].spec.storageClassName) ? oldSelf.volumeClaimTemplates[0].spec.storageClassName : has(oldSelf.volumeClaimTemplates[0].metadata) && has(oldSelf.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in oldSelf.volumeClaimTemplates[0].metadata.annotations ? oldSelf.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\") == (has(self.storage) && has(self.storage.className) ? self.storage.className : !has(self.volumeClaimTemplates) || self.volumeClaimTemplates.size() == 0 ? \"\" : has(self.volumeClaimTemplates[0].spec) && has(self.volumeClaimTemplates[0].spec.storageClassName) ? self.volumeClaimTemplates[0].spec.storageClassName : has(self.volumeClaimTemplates[0].metadata) && has(self.volumeClaimTemplates[0].metadata.annotations) && 'volume.beta.kubernetes.io/storage-class' in self.volumeClaimTemplates[0].metadata.annotations ? self.volumeClaimTemplates[0].metadata.annotations['volume.beta.kubernetes.io/storage-class'] : \"\")",message="the storage class cannot change (storage.className or volumeClaimTemplates): a volume stays in its StorageClass"
// +kubebuilder:validation:XValidation:rule="!(has(self.storage) && has(self.volumeClaimTemplates) && self.volumeClaimTemplates.size() > 0)",message="storage and volumeClaimTemplates exclude each other: keep one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.storage) || !has(self.storage.size) || (type(self.storage.size) == string && !isQuantity(self.storage.size)) || (type(self.storage.size) == int ? double(self.storage.size) : quantity(self.storage.size).asApproximateFloat()) >= 4.0 * (has(self.config) && 'mappedFileSizeCommitLog' in self.config && self.config['mappedFileSizeCommitLog'].trim().matches('^[0-9]{1,15}$') ? double(self.config['mappedFileSizeCommitLog'].trim()) : 1073741824.0)",message="storage.size must hold at least four commit-log files (config mappedFileSizeCommitLog, 1Gi each if not set): enlarge the volume or make the files smaller"
// +kubebuilder:validation:XValidation:rule="!has(self.config) || !('brokerRole' in self.config) || (self.config['brokerRole'] in ['ASYNC_MASTER', 'SYNC_MASTER'] && (!has(self.clusterMode) || self.clusterMode.upperAscii() != 'CONTROLLER'))",message="config.brokerRole may be ASYNC_MASTER or SYNC_MASTER, in clusterMode STATIC only: otherwise the controllers assign roles"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.config) && 'storeType' in oldSelf.config ? oldSelf.config['storeType'].trim() : 'default') == (has(self.config) && 'storeType' in self.config ? self.config['storeType'].trim() : 'default')",message="config.storeType cannot change: brokers would not find what they have written in the other form. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.config) && 'configManagerVersion' in oldSelf.config ? oldSelf.config['configManagerVersion'].trim() : 'v1') == (has(self.config) && 'configManagerVersion' in self.config ? self.config['configManagerVersion'].trim() : 'v1')",message="config.configManagerVersion cannot change: brokers would not find what they have written in the other form. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.config) && 'mappedFileSizeCommitLog' in oldSelf.config ? oldSelf.config['mappedFileSizeCommitLog'].trim() : '1073741824') == (has(self.config) && 'mappedFileSizeCommitLog' in self.config ? self.config['mappedFileSizeCommitLog'].trim() : '1073741824')",message="config.mappedFileSizeCommitLog cannot change: brokers do not start on files of another size. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.config) && 'mappedFileSizeConsumeQueue' in oldSelf.config ? oldSelf.config['mappedFileSizeConsumeQueue'].trim() : '6000000') == (has(self.config) && 'mappedFileSizeConsumeQueue' in self.config ? self.config['mappedFileSizeConsumeQueue'].trim() : '6000000')",message="config.mappedFileSizeConsumeQueue cannot change: brokers do not start on files of another size. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="(has(oldSelf.config) && 'mappedFileSizeTimerLog' in oldSelf.config ? oldSelf.config['mappedFileSizeTimerLog'].trim() : '104857600') == (has(self.config) && 'mappedFileSizeTimerLog' in self.config ? self.config['mappedFileSizeTimerLog'].trim() : '104857600')",message="config.mappedFileSizeTimerLog cannot change: brokers do not start on files of another size. Create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.auth) && oldSelf.auth.enabled && has(self.auth) && self.auth.enabled) || (has(oldSelf.auth.credentialsSecretRef) ? oldSelf.auth.credentialsSecretRef.name : \"\") == (has(self.auth.credentialsSecretRef) ? self.auth.credentialsSecretRef.name : \"\")",message="auth.credentialsSecretRef cannot change while auth is enabled: the brokers' disks know the accounts of the Secret that they began with. Disable auth and wait until status.auth is gone, or create another Broker and move the topics to it"
// +kubebuilder:validation:XValidation:rule="!(has(self.auth) && self.auth.enabled) || !has(self.config) || !['authenticationEnabled', 'authorizationEnabled', 'authenticationMetadataProvider', 'authorizationMetadataProvider', 'innerClientAuthenticationCredentials', 'initAuthenticationUser'].exists(k, k in self.config)",messageExpression="'set by the operator, because spec.auth is enabled; remove from config:' + ('authenticationEnabled' in self.config ? ' authenticationEnabled' : \"\") + ('authorizationEnabled' in self.config ? ' authorizationEnabled' : \"\") + ('authenticationMetadataProvider' in self.config ? ' authenticationMetadataProvider' : \"\") + ('authorizationMetadataProvider' in self.config ? ' authorizationMetadataProvider' : \"\") + ('innerClientAuthenticationCredentials' in self.config ? ' innerClientAuthenticationCredentials' : \"\") + ('initAuthenticationUser' in self.config ? ' initAuthenticationUser' : \"\")"
type BrokerSpec struct {
	// Size is the number of broker groups.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999
	Size *int32 `json:"size,omitempty"`
	// ReplicaPerGroup is the number of slaves in each group.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9
	ReplicaPerGroup *int32 `json:"replicaPerGroup,omitempty"`
	// ClusterMode is STATIC, or CONTROLLER for automatic failover.
	// +optional
	// +kubebuilder:default=STATIC
	ClusterMode ClusterMode `json:"clusterMode,omitempty"`
	// ClusterName is the brokerClusterName; the resource's name if empty.
	// +optional
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_%|-]*$`
	ClusterName string `json:"clusterName,omitempty"`
	// NameServers are addresses of name servers that the operator does not run: "host:port;host:port". An IPv6 address is in
	// brackets: "[fd00::1]:9876".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`^$|^([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}(;([^\s;:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})*;?$`
	NameServers string `json:"nameServers,omitempty"`
	// NameServiceRef is the NameService to register with; the only one of the namespace if absent.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
	// ControllerRef is the Controller that elects the masters; the only one of the namespace if absent.
	// +optional
	ControllerRef *ObjectReference `json:"controllerRef,omitempty"`
	// BrokerImage is an official RocketMQ 5.x image.
	// +optional
	// +kubebuilder:default="apache/rocketmq:5.4.0"
	// +kubebuilder:validation:MaxLength=512
	BrokerImage string `json:"brokerImage,omitempty"`
	// HostNetwork lets the pods use their nodes' addresses, for clients outside the cluster.
	// The namespace must admit privileged pods.
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Config holds RocketMQ properties for the brokers. It wins over the file broker-common.conf in volumes.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:validation:XValidation:rule="!['brokerClusterName', 'brokerName', 'brokerId', 'enableControllerMode', 'enableDLegerCommitLog'].exists(k, k in self)",messageExpression="'set by the operator, because they are the broker\\'s identity (spec.clusterName and spec.clusterMode set what can be chosen); remove:' + ('brokerClusterName' in self ? ' brokerClusterName' : \"\") + ('brokerName' in self ? ' brokerName' : \"\") + ('brokerId' in self ? ' brokerId' : \"\") + ('enableControllerMode' in self ? ' enableControllerMode' : \"\") + ('enableDLegerCommitLog' in self ? ' enableDLegerCommitLog' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['namesrvAddr', 'controllerAddr', 'brokerIP1', 'brokerIP2', 'listenPort', 'haListenPort', 'updateNameServerAddrPeriod', 'fetchNameSrvAddrByDnsLookup', 'fetchNamesrvAddrByAddressServer', 'fetchControllerAddrByDnsLookup'].exists(k, k in self)",messageExpression="'set by the operator, which keeps addresses right (spec.nameServers, nameServiceRef, controllerRef and hostNetwork set what can be chosen); remove:' + ('namesrvAddr' in self ? ' namesrvAddr' : \"\") + ('controllerAddr' in self ? ' controllerAddr' : \"\") + ('brokerIP1' in self ? ' brokerIP1' : \"\") + ('brokerIP2' in self ? ' brokerIP2' : \"\") + ('listenPort' in self ? ' listenPort' : \"\") + ('haListenPort' in self ? ' haListenPort' : \"\") + ('updateNameServerAddrPeriod' in self ? ' updateNameServerAddrPeriod' : \"\") + ('fetchNameSrvAddrByDnsLookup' in self ? ' fetchNameSrvAddrByDnsLookup' : \"\") + ('fetchNamesrvAddrByAddressServer' in self ? ' fetchNamesrvAddrByAddressServer' : \"\") + ('fetchControllerAddrByDnsLookup' in self ? ' fetchControllerAddrByDnsLookup' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['storePathRootDir', 'storePathCommitLog', 'storePathEpochFile', 'storePathBrokerIdentity'].exists(k, k in self)",messageExpression="'set by the operator, because the volume is mounted there; remove:' + ('storePathRootDir' in self ? ' storePathRootDir' : \"\") + ('storePathCommitLog' in self ? ' storePathCommitLog' : \"\") + ('storePathEpochFile' in self ? ' storePathEpochFile' : \"\") + ('storePathBrokerIdentity' in self ? ' storePathBrokerIdentity' : \"\")"
	// +kubebuilder:validation:XValidation:rule="!['brokerPermission', 'startAcceptSendRequestTimeStamp'].exists(k, k in self)",messageExpression="'set by the operator, which withdraws writes before a broker stops; remove:' + ('brokerPermission' in self ? ' brokerPermission' : \"\") + ('startAcceptSendRequestTimeStamp' in self ? ' startAcceptSendRequestTimeStamp' : \"\")"
	Config map[string]ConfigValue `json:"config,omitempty"`
	// Volumes: the first that has a file broker-common.conf gives the brokers its properties, which spec.config overrides.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Volumes []corev1.Volume `json:"volumes,omitempty"`
	// DrainSeconds is how long producers get to leave a master before it stops: just over their route poll (30 s).
	// The pods' grace period is at least 90 s longer.
	// +optional
	// +kubebuilder:default=35
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
	// PersistentVolumeClaimRetentionPolicy says what becomes of volumes when the Broker is deleted or scaled in;
	// both Retain if absent.
	// +optional
	PersistentVolumeClaimRetentionPolicy *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty"`
	// AllowRestart is accepted for compatibility. Address changes no longer restart brokers.
	// +optional
	AllowRestart bool `json:"allowRestart,omitempty"`
	// ScalePodName is a broker pod whose group's topics and consumer groups a new group starts with; the first group's
	// if empty. Pod names of apache/rocketmq-operator (broker-0-master-0) mean the group of that number.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ScalePodName string `json:"scalePodName,omitempty"`
	// MetadataGuard Enabled keeps the topics and consumer groups of each master in a ConfigMap, and writes back what a new
	// master lacks of them after a failover. Disabled keeps and restores nothing.
	// +optional
	// +kubebuilder:default=Enabled
	// +kubebuilder:validation:Enum=Enabled;Disabled
	MetadataGuard MetadataGuard `json:"metadataGuard,omitempty"`
	// Auth lets the brokers ask for credentials. With it, networkPolicy is Enabled unless it says otherwise.
	// +optional
	Auth *AuthSettings `json:"auth,omitempty"`
	// TLS lets the brokers speak TLS with clients, name servers, controllers and each other. Replication (port 10912) stays plain text.
	// +optional
	TLS *TLSSettings `json:"tls,omitempty"`

	StorageSettings       `json:",inline"`
	PodSettings           `json:",inline"`
	NetworkPolicySettings `json:",inline"`
}

// MetadataGuard says whether topics and consumer groups are saved and restored.
type MetadataGuard string

// The choices.
const (
	MetadataGuardEnabled  MetadataGuard = "Enabled"
	MetadataGuardDisabled MetadataGuard = "Disabled"
)

// Role of a broker in its group.
type Role string

// The roles.
const (
	RoleMaster Role = "master"
	RoleSlave  Role = "slave"
)

// BrokerStatus is what was seen.
type BrokerStatus struct {
	CommonStatus `json:",inline"`

	// Size is the number of broker groups that exist.
	// +optional
	Size int32 `json:"size"`
	// Members is "registered/wanted" over all groups.
	// +optional
	Members string `json:"members,omitempty"`
	// Masters are the pods that are masters now, one for each group, "-" for a group without.
	// +optional
	Masters string `json:"masters,omitempty"`
	// Selector finds the pods (for the scale subresource).
	// +optional
	Selector string `json:"selector,omitempty"`
	// Nodes are the names of the pods.
	// +optional
	// +listType=atomic
	Nodes []string `json:"nodes,omitempty"`
	// NameServers are the addresses that the brokers register with.
	// +optional
	// +listType=atomic
	NameServers []string `json:"nameServers,omitempty"`
	// NameServiceRef is what was resolved; it is kept while that NameService exists.
	// +optional
	NameServiceRef *ObjectReference `json:"nameServiceRef,omitempty"`
	// ControllerRef is what was resolved; it is kept while that Controller exists.
	// +optional
	ControllerRef *ObjectReference `json:"controllerRef,omitempty"`
	// Auth is what the brokers do about credentials, absent where they have no users.
	// +optional
	Auth *AuthStatus `json:"auth,omitempty"`
	// TLS is what the brokers do about TLS, absent where they speak plain text.
	// +optional
	TLS *TLSStatus `json:"tls,omitempty"`
	// Groups and their members.
	// +optional
	// +listType=map
	// +listMapKey=name
	Groups []BrokerGroupStatus `json:"groups,omitempty"`
}

// BrokerGroupStatus is one group's.
type BrokerGroupStatus struct {
	// Name is the brokerName.
	Name string `json:"name"`
	// State is hidden (clients do not see it yet), open, draining (it takes no new messages), closed (it is drained) or
	// removing.
	// +optional
	State string `json:"state,omitempty"`
	// Master is the pod that is master, empty if there is none.
	// +optional
	Master string `json:"master,omitempty"`
	// MasterSince is when the present master was first seen, or that there is none.
	// +optional
	MasterSince *metav1.MicroTime `json:"masterSince,omitempty"`
	// FormerMaster is the pod that was master before that.
	// +optional
	FormerMaster string `json:"formerMaster,omitempty"`
	// ControllerRecord says whether the controllers know the group: Present, or Lost if they knew it and do not any more. It is
	// empty while that is not known, and in STATIC mode.
	// +optional
	ControllerRecord ControllerRecord `json:"controllerRecord,omitempty"`
	// Members of the group, by pod.
	// +optional
	// +listType=map
	// +listMapKey=pod
	Members []BrokerMemberStatus `json:"members,omitempty"`
}

// ControllerRecord says whether the controllers have a record of a broker group.
type ControllerRecord string

// The states of a record.
const (
	ControllerRecordPresent ControllerRecord = "Present"
	ControllerRecordLost    ControllerRecord = "Lost"
)

// BrokerMemberStatus is one broker's.
type BrokerMemberStatus struct {
	// Pod is the pod's name.
	Pod string `json:"pod"`
	// Role that it is registered in; empty if it is not registered.
	// +optional
	Role Role `json:"role,omitempty"`
	// BrokerID that it is registered with: 0 is the master.
	// +optional
	BrokerID *int64 `json:"brokerId,omitempty"`
	// Address that it is registered with.
	// +optional
	Address string `json:"address,omitempty"`
	// InSync: it has all that the master acknowledged (CONTROLLER mode: it is in the SyncStateSet).
	// +optional
	InSync bool `json:"inSync"`
}

// Broker is a set of broker groups.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=brokers,shortName=rmqb,categories=rocketmq
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.size,statuspath=.status.size,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Groups",type=integer,JSONPath=`.spec.size`
// +kubebuilder:printcolumn:name="Members",type=string,JSONPath=`.status.members`,description="registered/wanted brokers"
// +kubebuilder:printcolumn:name="Masters",type=string,JSONPath=`.status.masters`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.spec.clusterMode`
// +kubebuilder:printcolumn:name="Auth",type=string,priority=1,JSONPath=`.status.auth.mode`
// +kubebuilder:printcolumn:name="TLS",type=string,priority=1,JSONPath=`.status.tls.mode`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.brokerImage`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must be at most 40 characters, so that pod labels fit"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-': Services are named after it"
type Broker struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +kubebuilder:default={}
	Spec BrokerSpec `json:"spec,omitempty"`
	// +optional
	Status BrokerStatus `json:"status,omitempty"`
}

// BrokerList is a list of Brokers.
//
// +kubebuilder:object:root=true
type BrokerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Broker `json:"items"`
}

export { prepareServers } from './build.ts'
export { type Certificate, type CertificateSet, createCertificates } from './certificates.ts'
export { type Cluster, type ClusterMember, startConsulCluster, startEtcdCluster, startZooKeeperCluster } from './cluster.ts'
export { type ConstantLoad, startConstantLoad } from './constant-load.ts'
export { type ConsulOptions, type ConsulServer, startConsul } from './consul.ts'
export { type DnsOptions, type DnsServer, startDns, type ZoneOptions } from './dns.ts'
export { type EtcdOptions, type EtcdServer, startEtcd } from './etcd.ts'
export {
  type KubeconfigParts,
  type KubernetesOptions,
  type KubernetesServer,
  type KubernetesSources,
  startKubernetes,
} from './kubernetes.ts'
export { createLinkedClients, type LinkedClients } from './linked-clients.ts'
export { type NacosOptions, type NacosServer, startNacos } from './nacos.ts'
export { type NacosFront, startNacosFront } from './nacos-front.ts'
export { freePort, probePort, untilReady } from './network.ts'
export {
  type OtelCollector,
  type ReceivedMetric,
  type ReceivedPoint,
  type ReceivedSpan,
  startOtelCollector,
} from './otelcol.ts'
export {
  type PrometheusOptions,
  type PrometheusRule,
  type PrometheusSample,
  type PrometheusServer,
  startPrometheus,
} from './prometheus.ts'
export { runPromtool } from './promtool.ts'
export { getReaper, type Reaper } from './reaper.ts'
export { recipes, type ServerName } from './recipes.ts'
export { type RedisOptions, type RedisServer, startRedis } from './redis.ts'
export { createRotation, type Rotation } from './rotation.ts'
export { nodesToTest, obtainRuntime, type RuntimeName, runtimes } from './runtimes.ts'
export { findServer, obtainServer, type ServerSource } from './sources.ts'
export { type LaunchPlan, launch, type TestServer } from './test-server.ts'
export { type FaultyLink, startToxiproxy, type Toxiproxy } from './toxiproxy.ts'
export { startZooKeeper, type ZooKeeperOptions, type ZooKeeperServer } from './zookeeper.ts'

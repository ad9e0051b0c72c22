/** A registry for which services are written, with the URL of a server on this machine. Read-only registries can't register a service. */
export const registries: Readonly<Record<string, string>> = {
  memory: 'memory:',
  consul: 'consul://127.0.0.1:8500',
  etcd: 'etcd://127.0.0.1:2379',
  nacos: 'nacos://127.0.0.1:8848',
  zookeeper: 'zookeeper://127.0.0.1:2181',
  kubernetes: 'kubernetes:',
}

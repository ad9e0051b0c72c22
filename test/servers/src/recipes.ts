/** How the binary of a server is built or installed once, from a package registry that verifies checksums. */
export type Build =
  /** Go packages of the module in `manifests/<folder>`; its go.sum pins them. */
  | { readonly tool: 'go'; readonly folder: string; readonly packages: Readonly<Record<string, string>> }
  /** A crate at exactly the version of the recipe, with its own lock file. */
  | { readonly tool: 'cargo'; readonly crate: string }
  /** Jars of the pom.xml in `manifests/<folder>`, with strict checksums. */
  | { readonly tool: 'mvn'; readonly folder: string }
  /** Debian packages, unpacked without being installed; apt verifies their signatures. */
  | { readonly tool: 'apt-get'; readonly packages: readonly string[] }
  /** An npm package of the manifest in `manifests/<folder>`, whose lock file pins it. `unpack.mjs` beside it fills the target. */
  | { readonly tool: 'npm'; readonly folder: string }

/** Description of a server that tests use. */
export interface Recipe {
  /** Name for the table, and for `SD_TEST_<NAME>`. */
  readonly name: string
  /** Version to build. Servers on PATH or at an address are used with any version. */
  readonly version: string
  /** Path below the cache folder that shows that it is built. Its last part is the name to find on PATH. */
  readonly file: string
  /** Other programs that it needs to run, such as `java`. */
  readonly needs?: readonly string[]
  /** How it is built. */
  readonly build: Build
  /** The same server as a container image, with the binary in it; absent if no image accepts the same arguments. */
  readonly container?: { readonly image: string; readonly entrypoint: string }
}

/** Name of a server that tests can ask for. */
export type ServerName =
  | 'etcd'
  | 'consul'
  | 'kubernetes'
  | 'toxiproxy'
  | 'nacos'
  | 'zookeeper'
  | 'redis'
  | 'dns'
  | 'prometheus'
  | 'otelcol'
  | 'chromium'

/** All servers that tests can ask for, the slowest builds first. */
export const recipes: Readonly<Record<ServerName, Recipe>> = {
  kubernetes: {
    name: 'kubernetes',
    version: '1.34.1',
    file: 'kube-apiserver',
    build: {
      tool: 'go',
      folder: 'kubernetes',
      packages: {
        'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
        'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      },
    },
  },
  nacos: {
    name: 'nacos',
    version: '0.8.8',
    file: 'bin/rnacos',
    build: { tool: 'cargo', crate: 'rnacos' },
  },
  consul: {
    name: 'consul',
    version: '1.21.0',
    file: 'consul',
    build: { tool: 'go', folder: 'consul', packages: { consul: 'github.com/hashicorp/consul' } },
    container: { image: 'hashicorp/consul:1.21.0', entrypoint: 'consul' },
  },
  otelcol: {
    name: 'otelcol',
    version: '0.139.0',
    file: 'otelcol',
    build: { tool: 'go', folder: 'otelcol', packages: { otelcol: '.' } },
  },
  etcd: {
    name: 'etcd',
    version: '3.6.6',
    file: 'etcd',
    build: { tool: 'go', folder: 'etcd', packages: { etcd: 'go.etcd.io/etcd/server/v3' } },
    container: { image: 'quay.io/coreos/etcd:v3.6.6', entrypoint: '/usr/local/bin/etcd' },
  },
  toxiproxy: {
    name: 'toxiproxy',
    version: '2.12.0',
    file: 'toxiproxy-server',
    build: { tool: 'go', folder: 'toxiproxy', packages: { 'toxiproxy-server': 'github.com/Shopify/toxiproxy/v2/cmd/server' } },
    container: { image: 'ghcr.io/shopify/toxiproxy:2.12.0', entrypoint: '/toxiproxy' },
  },
  zookeeper: {
    name: 'zookeeper',
    version: '3.9.4',
    file: 'zookeeper-3.9.4.jar',
    needs: ['java'],
    build: { tool: 'mvn', folder: 'zookeeper' },
  },
  redis: {
    name: 'redis',
    version: '7.0',
    file: 'usr/bin/redis-server',
    build: {
      tool: 'apt-get',
      packages: ['redis-server', 'redis-tools', 'libhiredis0.14', 'libjemalloc2', 'liblua5.1-0', 'liblzf1', 'libatomic1'],
    },
    container: { image: 'redis:7', entrypoint: 'redis-server' },
  },
  dns: {
    name: 'dns',
    version: '9.18',
    file: 'usr/sbin/named',
    build: {
      tool: 'apt-get',
      packages: [
        'bind9',
        'bind9-libs',
        'libcap2',
        'libfstrm0',
        'libicu72',
        'libjemalloc2',
        'libjson-c5',
        'liblmdb0',
        'libmaxminddb0',
        'libnghttp2-14',
        'libprotobuf-c1',
        'libuv1',
        'libxml2',
      ],
    },
  },
  prometheus: {
    name: 'prometheus',
    version: '2.42',
    file: 'usr/bin/prometheus',
    build: { tool: 'apt-get', packages: ['prometheus'] },
  },
  chromium: {
    name: 'chromium',
    version: '147',
    file: 'chromium',
    build: { tool: 'npm', folder: 'chromium' },
  },
}

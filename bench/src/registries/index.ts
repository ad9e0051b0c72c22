import type { Finding } from '../report.ts'
import { benchConsul } from './consul.ts'
import { benchEtcd } from './etcd.ts'
import { benchKubernetes } from './kubernetes.ts'
import { benchNacos } from './nacos.ts'
import { benchZooKeeper } from './zookeeper.ts'

const backends: readonly (() => Promise<readonly Finding[]>)[] = [
  benchConsul,
  benchEtcd,
  benchZooKeeper,
  benchNacos,
  benchKubernetes,
]

/** Measures every registry on its real server against the bare library. */
export async function benchRegistries(): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const bench of backends) findings.push(...(await bench()))
  return findings
}

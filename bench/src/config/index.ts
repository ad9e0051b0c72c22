import type { Finding } from '../report.ts'
import { benchConsul } from './consul.ts'
import { benchEtcd } from './etcd.ts'
import { benchKubernetes } from './kubernetes.ts'
import { benchNacos } from './nacos.ts'
import { benchReads } from './reads.ts'
import { benchUpdates } from './updates.ts'
import { benchZooKeeper } from './zookeeper.ts'

const parts: readonly (() => Promise<readonly Finding[]>)[] = [
  benchReads,
  benchUpdates,
  benchEtcd,
  benchConsul,
  benchZooKeeper,
  benchNacos,
  benchKubernetes,
]

/** Measures reads, updates, and every source on its real server against the bare library. */
export async function benchConfig(): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const bench of parts) findings.push(...(await bench()))
  return findings
}

import { stat } from 'node:fs/promises'
import { readContexts } from '../contexts/contexts-file.ts'
import { countOf } from '../services/read-services.ts'
import type { DoctorCheck, Finding } from './check.ts'

/** The contexts file. */
export const contextsCheck: DoctorCheck = {
  name: 'contexts',
  async run(context) {
    const { path, current, contexts } = await readContexts(context.env)
    if (contexts.length === 0) return []
    const findings: Finding[] = [
      {
        level: 'fine',
        text: `${countOf(contexts.length, 'context')} in ${path}${current ? `, ${current} is the current one` : ''}`,
      },
    ]
    const hasLogin = contexts.some(({ registry = '', config = '', lock = '' }) =>
      [registry, config, lock].some((url) => url.includes('@')),
    )
    const { mode } = await stat(path)
    if (hasLogin && (mode & 0o077) !== 0) {
      findings.push({ level: 'warning', text: `${path} has credentials, and other users may read it`, next: `chmod 600 ${path}` })
    }
    return findings
  },
}

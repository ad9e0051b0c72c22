import { checkDuration, checkFunction, checkKnownKeys, checkObject } from '@sd/core'
import { closingCases } from './closing-cases.ts'
import { bindCases, type ContractCase } from './contract.ts'
import { expiryCases, leaseCases } from './lease-cases.ts'
import { conditionalRemovalCases, registerCases } from './register-cases.ts'
import { createRegistryContext } from './registry-context.ts'
import type { RegistryHarness } from './registry-harness.ts'
import { watchAllCases } from './watch-all-cases.ts'
import { watchCases } from './watch-cases.ts'

/**
 * The contract of `Registry`. An adapter declares what it does not support in its `capabilities`. Cases can't be skipped
 * in any other way.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function registryContract(harness: RegistryHarness): readonly ContractCase[] {
  const { capabilities = {} } = checkObject('harness', harness) as unknown as RegistryHarness
  checkKnownKeys('harness', harness, ['setup', 'shortestTtlMs', 'capabilities', 'eventuallyMs'])
  checkKnownKeys('harness.capabilities', checkObject('harness.capabilities', capabilities), ['ttl', 'conditionalRemove'])
  checkFunction('harness.setup', harness.setup)
  checkDuration('harness.shortestTtlMs', harness.shortestTtlMs, 100)
  return bindCases(
    {
      ...registerCases,
      ...(capabilities.conditionalRemove !== false && conditionalRemovalCases),
      ...watchCases,
      ...watchAllCases,
      ...leaseCases,
      ...(capabilities.ttl !== false && expiryCases),
      ...closingCases,
    },
    () => createRegistryContext(harness),
    (context) => context.dispose(),
  )
}

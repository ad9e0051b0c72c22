import { checkConfigKey } from '@sd/adapter-kit'
import { checkBoolean, checkDuration, checkFunction, checkInteger, checkKnownKeys, checkObject, checkOneOf } from '@sd/core'
import { configClosingCases } from './config-closing-cases.ts'
import { configOutageCases } from './config-outage-cases.ts'
import { configReadCases } from './config-read-cases.ts'
import { configRequiredCases } from './config-required-cases.ts'
import { type ConfigSourceHarness, createConfigContext } from './config-source-harness.ts'
import { configWatchCases } from './config-watch-cases.ts'
import { conditionalWriteCases, configWriteCases, writeOutageCases } from './config-write-cases.ts'
import { bindCases, type ContractCase } from './contract.ts'
import { type ConfigSample, configSamples } from './samples.ts'

/**
 * The contract of `ConfigSource`, and of `WritableConfigSource` if the source declares that it writes. An adapter
 * declares what it does not support in its `capabilities`, and the harness repeats it. Cases can't be skipped in any
 * other way.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function configSourceContract(harness: ConfigSourceHarness): readonly ContractCase[] {
  const known = ['setup', 'capabilities', 'canBeCut', 'canRequire', 'keys', 'largestBytes', 'cannotHold', 'eventuallyMs']
  checkKnownKeys('harness', checkObject('harness', harness), known)
  const {
    setup,
    capabilities = {},
    canBeCut = true,
    canRequire = false,
    keys,
    largestBytes = 1,
    cannotHold = [],
    eventuallyMs = 1,
  } = harness
  checkKnownKeys('harness.capabilities', checkObject('harness.capabilities', capabilities), ['write', 'compareAndSet'])
  const { write = true, compareAndSet = write } = capabilities
  checkBoolean('harness.canBeCut', canBeCut)
  checkBoolean('harness.canRequire', canRequire)
  checkFunction('harness.setup', setup)
  checkConfigKey('harness.keys[0]', keys[0])
  checkConfigKey('harness.keys[1]', keys[1])
  checkInteger('harness.largestBytes', largestBytes, { min: 1, max: Number.MAX_SAFE_INTEGER })
  const samples = Object.keys(configSamples) as ConfigSample[]
  for (const [index, sample] of cannotHold.entries()) checkOneOf(`harness.cannotHold[${index}]`, sample, samples)
  checkDuration('harness.eventuallyMs', eventuallyMs, 1)
  return bindCases(
    {
      ...configReadCases,
      ...configWatchCases,
      ...(canRequire && configRequiredCases),
      ...(canBeCut && configOutageCases),
      ...(write && configWriteCases),
      ...(write && compareAndSet && conditionalWriteCases),
      ...(write && canBeCut && writeOutageCases),
      ...configClosingCases,
    },
    () => createConfigContext(harness),
    (context) => context.dispose(),
  )
}

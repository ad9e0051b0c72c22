import { checkDuration, checkFunction, checkKnownKeys, checkObject } from '@sd/core'
import { bindCases, type ContractCase } from '../contract.ts'
import { endCases, gatewayCases } from './protocol-end-cases.ts'
import type { ProtocolHarness } from './protocol-harness.ts'
import { ProtocolStage } from './protocol-stage.ts'
import { transferCases } from './protocol-transfer-cases.ts'

/**
 * The contract of a protocol that a gateway forwards connection by connection, such as TCP or one of your own: each connection
 * of a client becomes one to a service, on which the same octets are sent. The clients send first. Cases start a service of
 * their own on 127.0.0.1.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function protocolContract(harness: ProtocolHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['setup', 'encode', 'eventuallyMs'])
  checkFunction('harness.setup', harness.setup)
  if (harness.encode !== undefined) checkFunction('harness.encode', harness.encode)
  if (harness.eventuallyMs !== undefined) checkDuration('harness.eventuallyMs', harness.eventuallyMs, 1)
  return bindCases(
    { ...transferCases, ...endCases, ...gatewayCases },
    async () => new ProtocolStage(harness),
    (stage) => stage.dispose(),
  )
}

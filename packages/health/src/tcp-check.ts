import { connect } from 'node:net'
import { checkInteger, checkKnownKeys, checkName, SdError } from '@sd/core'
import type { HealthCheck } from './health-check.ts'

/** Options of {@link createTcpCheck}. */
export interface TcpCheckOptions {
  /** Name for logs and metrics. @default 'tcp' */
  readonly name?: string
  /** Port to connect to. @default the target's */
  readonly port?: number
}

/**
 * Creates a check that opens a TCP connection and closes it again.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createTcpCheck(options: TcpCheckOptions = {}): HealthCheck {
  checkKnownKeys('', options, ['name', 'port'])
  const name = checkName('name', options.name ?? 'tcp', 100)
  const ownPort = readPort(options.port)
  return {
    name,
    run: ({ address, port }, { signal }) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: address, port: ownPort ?? port, signal })
        socket.once('connect', () => {
          socket.destroy()
          resolve(undefined)
        })
        socket.once('error', (error) => reject(new SdError('SD_UNAVAILABLE', `TCP: ${describeError(error)}`, { cause: error })))
      }),
  }
}

/** Validates the option `port` of a check. @throws SdError `SD_INVALID` */
export function readPort(port: number | undefined): number | undefined {
  return port === undefined ? undefined : checkInteger('port', port, { min: 1, max: 65_535 })
}

/** Describes a connection error. For a host name with several addresses, its message is empty and only the code is set. */
export function describeError(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name
}

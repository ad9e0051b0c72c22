import * as current from '@grpc/grpc-js'
import * as v11 from 'grpc-js-1-11'
import * as v12 from 'grpc-js-1-12'
import * as v13 from 'grpc-js-1-13'

/** The last four minor versions of grpc-js. Tests use the types of the newest one: the parts that they need are the same in all. */
export const grpcModules: readonly (readonly [minor: string, grpc: typeof current])[] = [
  ['1.11', v11 as never],
  ['1.12', v12 as never],
  ['1.13', v13 as never],
  ['1.14', current],
]

/**
 * The versions for large tables, where the ones in between only repeat: the oldest and the newest, or with `SD_TEST_RUNTIMES=all`, which
 * `pnpm check runtimes` sets, every one.
 */
export function grpcModulesToTest(): typeof grpcModules {
  const outer = grpcModules.filter((_, index) => index === 0 || index === grpcModules.length - 1)
  return process.env['SD_TEST_RUNTIMES'] === 'all' ? grpcModules : outer
}

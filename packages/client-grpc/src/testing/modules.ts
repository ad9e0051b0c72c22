import * as current from '@grpc/grpc-js'
import * as v11 from 'grpc-js-1-11'
import * as v12 from 'grpc-js-1-12'
import * as v13 from 'grpc-js-1-13'

/** The last four minors of grpc-js. Tests are written for the newest one's types: of what they use no type has changed. */
export const grpcModules: readonly (readonly [minor: string, grpc: typeof current])[] = [
  ['1.11', v11 as never],
  ['1.12', v12 as never],
  ['1.13', v13 as never],
  ['1.14', current],
]

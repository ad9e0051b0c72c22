import type { Caller } from './caller.ts'
import { createClient, createResilientClient, createVisibleClient } from './own-callers.ts'
import { createGlued, createLocalMoleculer, createRemoteMoleculer, createUndici } from './peers.ts'

/** Share of recorded traces, typical for production. */
const sampled = 0.1

/** All callers; the first is the baseline. */
export const callers: readonly Caller[] = [
  { name: 'undici Pool.request', create: ({ http }) => createUndici(http) },
  { name: 'client with discovery and balancer', create: ({ http }) => createClient(http) },
  { name: '+ breakers and retry', limit: 1.25, create: ({ http }) => createResilientClient(http) },
  { name: '+ breakers, retry and metrics', create: ({ http }) => createVisibleClient(http, { metrics: true }) },
  { name: '+ breakers, retry and tracing, 10 % sampled', create: ({ http }) => createVisibleClient(http, { sampled }) },
  {
    name: '+ breakers, retry, metrics and tracing, 10 % sampled',
    limit: 1.6,
    create: ({ http }) => createVisibleClient(http, { sampled, metrics: true }),
  },
  {
    name: '+ breakers, retry, metrics and tracing, all sampled',
    create: ({ http }) => createVisibleClient(http, { sampled: 1, metrics: true }),
  },
  { name: 'axios + axios-retry + opossum', create: ({ http }) => createGlued(http) },
  { name: 'moleculer, local call', create: createLocalMoleculer },
  { name: 'moleculer, remote call over TCP', create: ({ moleculer }) => createRemoteMoleculer(moleculer) },
]

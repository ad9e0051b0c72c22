import { checkOneOf } from '@sd/core'
import { type ChangeRoute, checkBody, checkSegment, notFound } from './change.ts'

/** `POST /breakers/{service}` and `/breakers/{service}/{instanceId}`: opens, closes or isolates a circuit breaker. */
export const breakerRoute: ChangeRoute = {
  path: ['breakers', '*', '?'],
  control: 'breakers',
  action: 'breaker.set',
  prepare({ controls, segments, body }) {
    checkBody(body, ['state'])
    const service = checkSegment('service', segments[0])
    const instanceId = segments[1] === undefined ? undefined : checkSegment('instanceId', segments[1])
    const state = checkOneOf('body.state', body['state'], ['open', 'closed', 'isolated'])
    const target = instanceId === undefined ? service : `${service}/${instanceId}`
    const breaker = controls.client?.breaker(service, instanceId)
    if (!breaker) throw notFound(`A breaker of ${target}`)
    return {
      target,
      before: breaker.state,
      run() {
        if (state === 'open') breaker.open()
        else if (state === 'closed') breaker.close()
        else breaker.isolate()
        return breaker.state
      },
    }
  },
}

import type { GatewayReply } from '../filters/filter.ts'
import type { BodyReader, ConvertedRequest, RequestConverter } from '../protocol.ts'
import { BodyCollector } from './body-collector.ts'

/** The exchange that waits for a whole body. Exactly one of its methods is called. */
export interface WholeBodyOwner {
  onFilterReply(reply: GatewayReply): void
  onConverted(request: ConvertedRequest): void
  onError(thrown: unknown): void
}

/** Collects a body for the response that depends on it. */
export function replyWith(reader: BodyReader, owner: WholeBodyOwner): BodyCollector {
  return new BodyCollector(
    reader.maxBytes,
    (body, rawTrailers) => owner.onFilterReply(reader.reply(body, rawTrailers)),
    (thrown) => owner.onError(thrown),
  )
}

/** Collects a body for the request that is sent instead. */
export function convertWith(converter: RequestConverter, owner: WholeBodyOwner): BodyCollector {
  return new BodyCollector(
    converter.maxBytes,
    (body) => {
      const result = converter.convert(body)
      if ('status' in result) owner.onFilterReply(result)
      else owner.onConverted(result)
    },
    (thrown) => owner.onError(thrown),
  )
}

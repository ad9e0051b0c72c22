import { channel } from 'node:diagnostics_channel'
import type {
  AlertsAnswer,
  CallsAnswer,
  ClusterAnswer,
  ConfigAnswer,
  GatewayAnswer,
  HealthAnswer,
  LifecycleAnswer,
  LockAnswer,
} from './answers.ts'

/** Name of the channel on which inquiries are asked. The payload is a {@link Question}. */
const inquiryChannel = 'sd:v1:inquiry'

/**
 * Name of the port at which an instance serves `@sd/admin`, see `InstanceSpec.ports`. A reader of a registry finds the admin
 * endpoint of a process by it.
 */
export const ADMIN_PORT = 'sd-admin'

/** Maximum number of endpoints, routes or checks in one answer. The rest is counted in `omitted`. */
export const MAX_ANSWER_ITEMS = 10_000

/** What can be asked, and the answers. Answers are plain JSON data. Readers must ignore unknown fields: minor versions add some. */
export interface Inquiries {
  /** Discovery: why endpoints get traffic or not. */
  readonly endpoints: { readonly asks: { readonly service?: string | undefined }; readonly answer: ClusterAnswer }
  /** Clients: balancer, policies and settings by service. */
  readonly calls: { readonly asks: { readonly service?: string | undefined }; readonly answer: CallsAnswer }
  /** Configurations: their sources, and the origin of a value. The path `''` is the whole configuration. */
  readonly config: {
    readonly asks: { readonly config?: string | undefined; readonly path?: string | undefined }
    readonly answer: ConfigAnswer
  }
  /** Alerts. */
  readonly alerts: { readonly asks: object; readonly answer: AlertsAnswer }
  /** Held locks. */
  readonly locks: { readonly asks: object; readonly answer: LockAnswer }
  /** Lifecycles of servers. */
  readonly lifecycle: { readonly asks: object; readonly answer: LifecycleAnswer }
  /** Health reporters. */
  readonly health: { readonly asks: object; readonly answer: HealthAnswer }
  /** Gateways. */
  readonly gateways: { readonly asks: object; readonly answer: GatewayAnswer }
}

/** A kind of inquiry. */
export type InquiryKind = keyof Inquiries

interface Question {
  readonly kind: string
  readonly asks: object
  readonly take: (answer: unknown) => void
}

const inquiries = channel(inquiryChannel)

/**
 * Answers one kind of inquiry until the returned function is called. Must change nothing.
 *
 * @param answer called synchronously; its errors are dropped
 * @returns a function that ends answering
 */
export function answerInquiries<Kind extends InquiryKind>(
  kind: Kind,
  answer: (asks: Inquiries[Kind]['asks']) => Iterable<Inquiries[Kind]['answer']>,
): () => void {
  function respond(question: unknown): void {
    const { kind: asked, asks, take } = question as Question
    if (asked !== kind) return
    try {
      for (const one of answer(asks)) take(one)
    } catch {
      // A failing answer must not end the process, as an error in a subscriber does.
    }
  }
  inquiries.subscribe(respond)
  return () => void inquiries.unsubscribe(respond)
}

/**
 * Asks every live component of this process. Nothing is computed before it is called.
 *
 * @param asks narrows the answers, such as `{ service: 'orders' }`. @default all
 */
export function inquire<Kind extends InquiryKind>(
  kind: Kind,
  asks: Inquiries[Kind]['asks'] = {},
): readonly Inquiries[Kind]['answer'][] {
  const answers: Inquiries[Kind]['answer'][] = []
  const question: Question = { kind, asks, take: (answer) => void answers.push(answer as Inquiries[Kind]['answer']) }
  inquiries.publish(question)
  return answers
}

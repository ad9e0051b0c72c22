import { useEffect, useState } from 'preact/hooks'
import { get } from '../data/api.ts'

/** What the server answered last. */
export interface Resource<Answer> {
  readonly answer?: Answer
  readonly problem?: string
  /** Asks again now. */
  readonly reload: () => void
}

/** Asks the server, again at an interval, while the component is shown. Its answer stays while it asks again. @param everyMs 0 for once */
export function useResource<Answer>(
  path: string | undefined,
  query: Readonly<Record<string, string>>,
  everyMs: number = 0,
): Resource<Answer> {
  const [state, setState] = useState<{ readonly key: string; readonly answer?: Answer; readonly problem?: string }>({ key: '' })
  const [round, setRound] = useState(0)
  const key = `${path}?${new URLSearchParams(query)}`
  useEffect(() => {
    if (path === undefined) return undefined
    let isOver = false
    async function ask(): Promise<void> {
      try {
        const answer = await get<Answer>(path as string, query)
        if (!isOver) setState({ key, answer })
      } catch (error) {
        if (!isOver) setState({ key, problem: (error as Error).message })
      }
    }
    void ask()
    const timer = everyMs > 0 ? setInterval(ask, everyMs) : undefined
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [key, round, everyMs])
  const { answer, problem } = state.key === key ? state : ({} as typeof state)
  return {
    ...(answer !== undefined && { answer }),
    ...(problem !== undefined && { problem }),
    reload: () => setRound((previous) => previous + 1),
  }
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { post, readSession } from '../data/api.ts'
import { session } from '../data/state.ts'

const questions = {
  password: 'Password',
  token: 'Token',
  code: 'Code',
  none: '',
}

/** The login. */
export function Login(): JSX.Element {
  const login = session.value?.login ?? 'none'
  const [user, setUser] = useState('')
  const [secret, setSecret] = useState('')
  const [problem, setProblem] = useState('')

  async function enter(event: Event): Promise<void> {
    event.preventDefault()
    setProblem('')
    try {
      await post('login', { user, secret })
      session.value = await readSession()
    } catch (error) {
      setProblem((error as Error).message)
    }
    setSecret('')
  }

  const field = {
    id: 'secret',
    name: 'secret',
    required: true,
    value: secret,
    onInput: ({ currentTarget }: { readonly currentTarget: HTMLInputElement }) => setSecret(currentTarget.value),
  }
  if (login === 'none')
    return (
      <main class="login">
        <h1>Fleet</h1>
        <p>You have no access. The proxy or the application in front of this page decides who has.</p>
      </main>
    )
  return (
    <main class="login">
      <h1>Fleet</h1>
      <form onSubmit={enter}>
        {login === 'code' && <p>The code is printed where the dashboard was started. It is valid for 60 seconds.</p>}
        {login === 'password' && (
          <label>
            User
            <input
              name="user"
              autocomplete="username"
              required
              value={user}
              onInput={({ currentTarget }) => setUser(currentTarget.value)}
            />
          </label>
        )}
        <label htmlFor="secret">{questions[login]}</label>
        {login === 'code' ? (
          <input type="text" autocomplete="one-time-code" {...field} />
        ) : (
          <input type="password" autocomplete="current-password" {...field} />
        )}
        <div role="alert">{problem && <p class="problem critical">✖ {problem}</p>}</div>
        <div class="buttons">
          <button type="submit" class="main">
            Log in
          </button>
          {login === 'code' && (
            <button type="button" onClick={() => post('code', {}).catch((error: Error) => setProblem(error.message))}>
              Print a new code
            </button>
          )}
        </div>
      </form>
    </main>
  )
}

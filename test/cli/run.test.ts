import t, { type Test } from 'tap'
import { type Context, run } from '../../dist/cli/run.js'
import { usage } from '../../dist/cli/values.js'
import { exitCodes, TransferError } from '../../dist/errors.js'

/** What is written to stderr from now on, which is not shown. */
function captureStderr(t: Test): () => string {
  const calls = t.capture(process.stderr, 'write', () => true)
  let text = ''
  return () => {
    text += calls()
      .map(({ args }) => args[0])
      .join('')
    return text
  }
}

/** Sends this process a signal, as far as the command is concerned: only the listeners that `run` has added hear it. */
type Name = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

function signalling(): { send(name: Name): void; added(): number } {
  const names: Name[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const before = new Set(names.flatMap((name) => process.listeners(name)))
  const added = (name: Name) => process.listeners(name).filter((listener) => !before.has(listener))
  return {
    send: (name) => {
      for (const listener of added(name)) listener(name)
    },
    added: () => names.flatMap(added).length,
  }
}

/** Settles as a transfer does that is interrupted: with the signal's reason, which it has reported. */
function untilAborted({ signal }: Context): Promise<TransferError> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(signal.reason))
  })
}

t.test('ends with 0 and without a word when all is well', async (t) => {
  const stderr = captureStderr(t)
  t.equal(await run('tcp-try', async () => null), 0)
  t.equal(stderr(), '')
})

t.test('ends with the status of what went wrong, of which the events have told', async (t) => {
  const stderr = captureStderr(t)
  for (const [code, status] of Object.entries(exitCodes)) {
    if (code === 'usage' || code === 'internal') continue
    const failing = async () => new TransferError(code as keyof typeof exitCodes, 'told already')
    t.equal(await run('tcp-try', failing), status, code)
  }
  t.equal(stderr(), '')
})

t.test('tells of wrong usage in one line', async (t) => {
  const stderr = captureStderr(t)
  const status = await run('tcp-try', async () => {
    throw usage('--port is needed')
  })
  t.equal(status, 2)
  t.equal(stderr(), 'tcp-try: --port is needed\n')
})

t.test('tells itself what no event has told', async (t) => {
  const stderr = captureStderr(t)
  const status = await run('tcp-try', async () => {
    throw new TransferError('local-file', 'cannot write receipt')
  })
  t.equal(status, 8)
  t.equal(stderr(), 'tcp-try: failed: cannot write receipt\n')
})

t.test('tells of a bug of ours with the lines that a report needs', async (t) => {
  const stderr = captureStderr(t)
  const status = await run('tcp-try', async () => {
    throw new RangeError('boom')
  })
  t.equal(status, 1)
  t.match(stderr(), /^tcp-try: (failed: )?internal error: boom\nthis is a bug; please report it with these lines:\n/)
  t.match(stderr(), /RangeError: boom\n {4}at .*run\.test\.[jt]s/)
})

t.test('tells of a bug even where something else than an error was thrown', async (t) => {
  const stderr = captureStderr(t)
  const status = await run('tcp-try', () => Promise.reject('a string'))
  t.equal(status, 1)
  t.match(stderr(), /^tcp-try: (failed: )?internal error: a string\n/)
  t.match(stderr(), /TransferError: internal error: a string\n {4}at /)
})

t.test('aborts the work at a signal, and ends with its status', async (t) => {
  const { send, added } = signalling()
  const table = [
    ['SIGINT', 130, 'interrupted by SIGINT', 'tcp-try was interrupted'],
    ['SIGTERM', 143, 'terminated by SIGTERM', 'tcp-try was terminated'],
    ['SIGHUP', 129, 'hung up by SIGHUP', 'tcp-try was hung up'],
  ] as const
  for (const [name, status, message, peerMessage] of table) {
    let reason: unknown
    const ended = run('tcp-try', async (context) => {
      context.signal.addEventListener('abort', () => {
        reason = context.signal.reason
      })
      return await untilAborted(context)
    })
    send(name)
    t.equal(await ended, status)
    t.match(reason, { message, reason: 'interrupted', peerMessage })
    t.equal(added(), 0)
  }
})

t.test('ends at once at the second signal', async (t) => {
  const { send } = signalling()
  const exits = t.capture(process, 'exit', (() => {}) as typeof process.exit)
  let finish = () => {}
  const slow = new Promise<null>((resolve) => {
    finish = () => resolve(null)
  })
  const ended = run('tcp-try', () => slow)
  send('SIGTERM')
  t.same(exits(), [])
  send('SIGINT')
  t.match(exits(), [{ args: [130] }])
  finish()
  t.equal(await ended, 0, 'what was complete at the first signal stays a success')
})

t.test('a closed terminal may say so twice, and may follow another signal: none of it is impatience', async (t) => {
  const { send } = signalling()
  const exits = t.capture(process, 'exit', (() => {}) as typeof process.exit)
  for (const [first, status] of [
    ['SIGHUP', 129],
    ['SIGTERM', 143],
  ] as const) {
    const ended = run('tcp-try', untilAborted)
    send(first)
    send('SIGHUP')
    t.same(exits(), [])
    t.equal(await ended, status)
  }
})

t.test('lets the work end itself, with its own error', async (t) => {
  const error = new TransferError('local-file', 'cannot write to standard output')
  const ended = run('tcp-try', async (context) => {
    const aborted = untilAborted(context)
    context.abort(error)
    return await aborted
  })
  t.equal(await ended, 8)
})

t.test('leaves no listener behind, whatever happened', async (t) => {
  captureStderr(t)
  const { added } = signalling()
  await run('tcp-try', async () => {
    t.equal(added(), 3)
    throw new Error('boom')
  })
  t.equal(added(), 0)
})

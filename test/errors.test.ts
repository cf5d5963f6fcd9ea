/** Errors: what each is called, which exit status it becomes, and what of it the other side may be told. */
import t from 'tap'
import { asTransferError, type ErrorCode, exitCodes, interruption, refusal, TransferError } from '../dist/errors.js'

t.test('gives every kind of failure its own exit status, which never changes', async (t) => {
  t.strictSame(
    { ...exitCodes },
    {
      internal: 1,
      usage: 2,
      connect: 3,
      key: 4,
      refused: 5,
      incomplete: 6,
      'digest-mismatch': 7,
      'local-file': 8,
      timeout: 9,
      hook: 10,
      'hung-up': 129,
      interrupted: 130,
      terminated: 143,
    },
  )
  for (const [code, status] of Object.entries(exitCodes)) {
    t.equal(new TransferError(code as ErrorCode, 'it failed').exitCode, status)
  }
})

t.test('is an error that says what failed', async (t) => {
  const error = new TransferError('timeout', 'nothing came')
  t.ok(error instanceof Error)
  t.equal(`${error}`, 'TransferError: nothing came')
  t.match(error, { name: 'TransferError', code: 'timeout', message: 'nothing came' })
  t.match(error.stack, /errors\.test/)
})

t.test('tells the other side nothing of its message unless it is allowed to', async (t) => {
  const secret = new TransferError('local-file', 'cannot read /home/me/plan.txt')
  t.equal(secret.peerMessage, 'the other side failed (local-file)')
  t.equal(
    new TransferError('local-file', 'cannot read /home/me/plan.txt', { peerMessage: 'it is gone' }).peerMessage,
    'it is gone',
  )
})

t.test('has a finer reason, the usual one of its code where none is given', async (t) => {
  t.equal(new TransferError('incomplete', 'x').reason, 'broken')
  t.equal(new TransferError('incomplete', 'x', { reason: 'broken' }).reason, 'broken')
})

t.test('keeps what caused it, and has no cause otherwise', async (t) => {
  const cause = new Error('EIO')
  t.equal(new TransferError('local-file', 'x', { cause }).cause, cause)
  t.notOk('cause' in new TransferError('local-file', 'x'))
  t.notOk('cause' in new TransferError('local-file', 'x', { reason: 'disk' }))
  t.equal(new TransferError('local-file', 'x', { cause: null }).cause, null)
})

t.test('makes of a refusal an error whose message the peer is told', async (t) => {
  const error = refusal('exists', 'it has "a" already')
  t.match(error, {
    code: 'refused',
    exitCode: 5,
    reason: 'exists',
    peerMessage: 'it has "a" already',
    message: 'it has "a" already',
  })
  t.ok(error instanceof TransferError)
})

t.test('passes an error of its own kind on as it is', async (t) => {
  const error = refusal('name', 'no')
  t.equal(asTransferError(error), error)
})

t.test('takes whatever else was thrown for a bug, and keeps it', async (t) => {
  const bug = new TypeError('x is not a function')
  const error = asTransferError(bug)
  t.match(error, { code: 'internal', exitCode: 1, reason: 'internal', message: 'internal error: x is not a function' })
  t.equal(error.cause, bug)
  t.equal(error.peerMessage, 'the other side failed (internal)', 'the peer does not learn what the bug is')
  for (const [thrown, text] of [
    ['text', 'text'],
    [12, '12'],
    [undefined, 'undefined'],
    [null, 'null'],
  ] as const) {
    t.equal(asTransferError(thrown).message, `internal error: ${text}`)
  }
  t.equal(asTransferError('text').cause, 'text')
})

t.test('takes an aborted signal for what it was aborted with, or for an interruption', async (t) => {
  const ours = new TransferError('terminated', 'terminated by SIGTERM', { reason: 'interrupted' })
  t.equal(interruption(AbortSignal.abort(ours)), ours)

  const reason = new Error('the user went home')
  const error = interruption(AbortSignal.abort(reason))
  t.match(error, {
    code: 'interrupted',
    exitCode: 130,
    reason: 'interrupted',
    message: 'interrupted',
    peerMessage: 'it was interrupted',
  })
  t.equal(error.cause, reason)
  t.match(interruption(AbortSignal.abort()), { code: 'interrupted', exitCode: 130 })
})

t.test('takes too few descriptors for what they are, wherever they were missing', async (t) => {
  for (const code of ['EMFILE', 'ENFILE']) {
    const cause = Object.assign(new Error(`${code}: too many open files, open '/home/me/x'`), { code })
    const error = asTransferError(cause)
    t.match(error, { code: 'local-file', reason: 'disk', cause })
    t.equal(error.message, `too few files may be opened at once (${code}); raise the limit: ulimit -n`)
  }
  for (const thrown of [null, undefined, 'EMFILE', Object.assign(new Error('x'), { code: 'ENOENT' })]) {
    t.equal(asTransferError(thrown).code, 'internal')
  }
})

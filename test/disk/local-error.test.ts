import { constants } from 'node:os'
import t from 'tap'
import { localError } from '../../dist/disk/local-error.js'
import { TransferError } from '../../dist/errors.js'
import { systemError } from '../fixtures/disk.ts'

t.test('tells this side the path and the peer only the cause', async (t) => {
  const cause = systemError('EACCES')
  const error = localError('cannot write', '/secret/place', cause)
  t.match(error, { code: 'local-file', reason: 'disk', exitCode: 8 })
  t.equal(error.message, 'cannot write /secret/place: permission denied (EACCES)')
  t.notMatch(error.peerMessage, /secret/)
  t.match(error.peerMessage, /permission denied \(EACCES\)/)
  t.equal(error.cause, cause)
})

t.test('names a full disk by a reason of its own', async (t) => {
  const error = localError('cannot write', 'file', systemError('ENOSPC'))
  t.match(error, { code: 'local-file', reason: 'no-space', peerMessage: 'its disk is full' })
  t.equal(error.message, 'cannot write file: no space left on device (ENOSPC)')
})

t.test('takes a full quota for a full disk', async (t) => {
  // Node has no name for this error and gives only its number.
  const errno = -constants.errno.EDQUOT
  const error = Object.assign(new Error('write'), { errno, code: `Unknown system error ${errno}`, syscall: 'write' })
  t.match(localError('cannot write', 'file', error), {
    code: 'local-file',
    reason: 'no-space',
    message: 'cannot write file: disk quota exceeded (EDQUOT)',
    peerMessage: 'its disk quota is used up',
  })
})

t.test('tells the peer in whole sentences what could not be done', async (t) => {
  const table = {
    'cannot read': 'it could not read the file: i/o error (EIO)',
    'cannot make the folder': 'it could not make its folder: i/o error (EIO)',
    'cannot fsync the parent of': 'it could not make its folder durable: i/o error (EIO)',
    'cannot store in': 'it cannot use its folder: i/o error (EIO)',
    'cannot use the staging folder': 'it cannot use its staging folder: i/o error (EIO)',
    'cannot write': 'it could not write the file: i/o error (EIO)',
    'cannot store': 'it could not store the file: i/o error (EIO)',
    'cannot write the port to': 'it could not tell its port: i/o error (EIO)',
  } as const
  for (const [doing, peerMessage] of Object.entries(table)) {
    const error = localError(doing as keyof typeof table, 'p', systemError('EIO'))
    t.match(error, { message: `${doing} p: i/o error (EIO)`, peerMessage })
  }
})

t.test('shows an empty path', async (t) => {
  t.equal(
    localError('cannot read', '', systemError('ENOENT')).message,
    'cannot read "": no such file or directory (ENOENT)',
  )
})

t.test('takes what is no system error for trouble with the disk', async (t) => {
  t.match(localError('cannot read', 'file', new Error('odd')), { reason: 'disk', message: 'cannot read file: odd' })
})

t.test('passes an error on that says already what is wrong', async (t) => {
  const known = new TransferError('refused', 'no', { reason: 'exists' })
  t.equal(localError('cannot write', 'file', known), known)
})

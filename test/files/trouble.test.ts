import { constants } from 'node:os'
import t from 'tap'
import { TransferError } from '../../dist/errors.js'
import { describe, localTrouble } from '../../dist/files/trouble.js'
import { systemError } from '../fixtures/disk.ts'

t.test('describes a failed call in the words of the system', async (t) => {
  t.equal(describe(systemError('ENOENT')), 'no such file or directory (ENOENT)')
  t.equal(describe(systemError('EIO')), 'i/o error (EIO)')
})

t.test('describes anything else thrown as well as it can', async (t) => {
  t.equal(describe(Object.assign(new Error('long text'), { code: 'ERR_SOMETHING' })), 'ERR_SOMETHING')
  t.equal(describe(new Error('only text')), 'only text')
  t.equal(describe('a string'), 'a string')
  t.equal(describe(Object.assign(new Error('unheard of'), { errno: 987654 })), 'unheard of')
})

t.test('tells this side the path and the peer only the cause', async (t) => {
  const cause = systemError('EACCES')
  const error = localTrouble('cannot write', '/secret/place', cause)
  t.match(error, { code: 'local-file', reason: 'disk', exitCode: 8 })
  t.equal(error.message, 'cannot write /secret/place: permission denied (EACCES)')
  t.notMatch(error.tell, /secret/)
  t.match(error.tell, /permission denied \(EACCES\)/)
  t.equal(error.cause, cause)
})

t.test('names a full disk by a reason of its own', async (t) => {
  const error = localTrouble('cannot write', 'file', systemError('ENOSPC'))
  t.match(error, { code: 'local-file', reason: 'no-space', tell: 'its disk is full' })
  t.equal(error.message, 'cannot write file: no space left on device (ENOSPC)')
})

t.test('takes a full quota for a full disk', async (t) => {
  // Node has no name for this error and gives only its number.
  const errno = -constants.errno.EDQUOT
  const error = Object.assign(new Error('write'), { errno, code: `Unknown system error ${errno}`, syscall: 'write' })
  t.match(localTrouble('cannot write', 'file', error), { code: 'local-file', reason: 'no-space' })
})

t.test('takes what is no system error for trouble with the disk', async (t) => {
  t.match(localTrouble('cannot read', 'file', new Error('odd')), { reason: 'disk', message: 'cannot read file: odd' })
})

t.test('passes an error on that says already what is wrong', async (t) => {
  const known = new TransferError('refused', 'no', { reason: 'exists' })
  t.equal(localTrouble('cannot write', 'file', known), known)
})

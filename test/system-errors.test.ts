import { spawnSync } from 'node:child_process'
import t from 'tap'
import { codeOf, describe } from '../dist/system-errors.js'
import { systemError } from './fixtures/disk.ts'

/** As Node gives an error that it has no name for: from a file, or from a socket. */
function unnamed(number: number, code = `Unknown system error -${number}`): Error {
  return Object.assign(new Error(`${code}: ${code}, write`), { errno: -number, code, syscall: 'write' })
}

t.test('describes a failed call in the words of the system', async (t) => {
  t.equal(describe(systemError('ENOENT')), 'no such file or directory (ENOENT)')
  t.equal(describe(systemError('EIO')), 'i/o error (EIO)')
  t.equal(codeOf(systemError('EIO')), 'EIO')
})

t.test('names the errors of Linux that Node does not name', async (t) => {
  const table: [number: number, text: string][] = [
    [67, 'the link to the server has been severed (ENOLINK)'],
    [74, 'bad message: the stored data are damaged (EBADMSG)'],
    [116, 'stale file handle: the file or folder has gone from its server (ESTALE)'],
    [117, 'structure needs cleaning: the file system is damaged (EUCLEAN)'],
    [121, 'remote i/o error (EREMOTEIO)'],
    [122, 'disk quota exceeded (EDQUOT)'],
    [123, 'no medium found (ENOMEDIUM)'],
    [124, 'wrong medium type (EMEDIUMTYPE)'],
    [126, 'required key not available (ENOKEY)'],
  ]
  for (const [number, text] of table) {
    t.equal(describe(unnamed(number), 'linux'), text)
    t.equal(describe(unnamed(number, 'UNKNOWN'), 'linux'), text)
    t.ok(text.endsWith(`(${codeOf(unnamed(number), 'linux')})`))
  }
})

t.test('does not speak of a socket where a file system lacks something', async (t) => {
  t.equal(describe(systemError('ENOTSUP'), 'linux'), 'operation not supported (ENOTSUP)')
})

t.test('leaves the numbers of other systems alone', async (t) => {
  t.equal(describe(unnamed(122), 'darwin'), 'Unknown system error -122')
  t.equal(codeOf(unnamed(122), 'darwin'), 'Unknown system error -122')
})

t.test('gives errors the names that the system has for them', async (t) => {
  const script = 'import errno; print("\\n".join(f"{number} {name}" for number, name in errno.errorcode.items()))'
  const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8' })
  if (process.platform !== 'linux' || status !== 0) {
    t.pass('skipped', { skip: 'there is no list of the errors of Linux here' })
    return
  }
  const synonyms: Record<string, string> = { EDEADLOCK: 'EDEADLK', EOPNOTSUPP: 'ENOTSUP', EWOULDBLOCK: 'EAGAIN' }
  const wrong = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [number: string, name: string])
    .filter(([number, name]) => {
      const code = codeOf(unnamed(Number(number)))
      // What belongs to streams, shared libraries and the like comes from no file or socket.
      return !code?.startsWith('Unknown') && code !== (synonyms[name] ?? name)
    })
  t.strictSame(wrong, [])
})

t.test('describes anything else thrown as well as it can', async (t) => {
  t.equal(describe(Object.assign(new Error('long text'), { code: 'ERR_SOMETHING' })), 'ERR_SOMETHING')
  t.equal(describe(new Error('only text')), 'only text')
  t.equal(describe('a string'), 'a string')
  t.equal(describe(Object.assign(new Error('unheard of'), { errno: 987654 })), 'unheard of')
  t.equal(codeOf(new Error('only text')), undefined)
  t.equal(codeOf(null), undefined)
})

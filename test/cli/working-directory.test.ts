/** A working directory that was removed, as a command sees it that was started there. */
import t from 'tap'
import { assertReachable, checkWorkingDirectory } from '../../dist/cli/working-directory.js'
import { systemError } from '../fixtures/disk.js'

t.test('every path can be used while the working directory is there', async (t) => {
  checkWorkingDirectory()
  t.doesNotThrow(() => assertReachable(['.', 'a', '/a']))
})

t.test('only absolute paths can be used once it is gone, and everything else works', async (t) => {
  const cwd = t.capture(process, 'cwd', () => {
    throw systemError('ENOENT', 'uv_cwd')
  })
  checkWorkingDirectory()
  t.equal(process.cwd(), '/')
  t.doesNotThrow(() => assertReachable([]))
  t.doesNotThrow(() => assertReachable(['/a', '/b']))
  t.throws(() => assertReachable(['/a', 'b\n']), {
    code: 'local-file',
    exitCode: 8,
    message: 'cannot use b\\u{a}: the working directory was removed; change to another one, or give an absolute path',
  })
  cwd.restore()
})

/** The tests of system calls on files and of sockets. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/disk', 'test/net', 'test/access'])

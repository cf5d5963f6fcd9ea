/** A quarter of the tests of transfers. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/transfer'], { part: 1, of: 4 })

/** Half of the tests of where entries go. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/stores'], { part: 1, of: 2 })

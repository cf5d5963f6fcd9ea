/** Half of the tests of peers that break the protocol or lie. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/hostile'], { part: 2, of: 2 })

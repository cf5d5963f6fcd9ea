/** The tests of what gives entries. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/sources'])

/** The tests of options, output and signals. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/cli'])

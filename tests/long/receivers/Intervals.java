package org.apache.lucene.search.intervals;

import org.apache.lucene.search.Query;

/*
 * Elasticsearch 7.0 was built for Lucene 8.0, the jar has a later 8.x, in which these classes are in another package. They are named here so that
 * its classes load; interval queries alone would need them.
 */

abstract class IntervalQuery extends Query {}

abstract class IntervalsSource {}

abstract class FilteredIntervalsSource extends IntervalsSource {}

abstract class IntervalIterator extends org.apache.lucene.search.DocIdSetIterator {}

abstract class Intervals {}

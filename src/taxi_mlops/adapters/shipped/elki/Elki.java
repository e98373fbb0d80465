// ELKI's DBSCAN behind the protocol of taxi-mlops. ELKI is under the AGPL: a program of its own, built where it runs.

import elki.clustering.dbscan.DBSCAN;
import elki.data.Cluster;
import elki.data.Clustering;
import elki.data.NumberVector;
import elki.data.model.Model;
import elki.data.type.TypeUtil;
import elki.database.StaticArrayDatabase;
import elki.database.ids.DBIDIter;
import elki.database.ids.DBIDRange;
import elki.database.relation.Relation;
import elki.datasource.ArrayAdapterDatabaseConnection;
import elki.distance.minkowski.EuclideanDistance;
import java.io.IOException;
import java.util.Arrays;

public final class Elki extends Program {
    /** Some precision of ELKI is absolute: a sphere as large as the earth, and not of radius 1. */
    private static final double METRES = 6_371_008.8;

    private StaticArrayDatabase database;
    private int size;
    private double chord;
    private int minSamples;

    private Elki() {}

    public static void main(String[] args) throws IOException {
        new Elki().serve();
    }

    @Override
    String version() {
        return System.getProperty("elki.version");
    }

    @Override
    void prepare(Problem problem) {
        size = problem.latitude().length;
        chord = problem.chord() * METRES;
        minSamples = problem.minSamples();
        double[][] places = problem.chords();
        for (double[] place : places) {
            for (int axis = 0; axis < 3; axis++) {
                place[axis] *= METRES;
            }
        }
        // Without an index in the database: ELKI's query optimizer makes one for DBSCAN, as a part of the fit.
        database = new StaticArrayDatabase(new ArrayAdapterDatabaseConnection(places));
        database.initialize();
    }

    @Override
    Answer fit() {
        Relation<NumberVector> places = database.getRelation(TypeUtil.NUMBER_VECTOR_FIELD);
        DBIDRange ids = (DBIDRange) places.getDBIDs();
        Clustering<Model> found = new DBSCAN<NumberVector>(EuclideanDistance.STATIC, chord, minSamples).run(places);
        int[] labels = new int[size];
        Arrays.fill(labels, -1);
        int number = 0;
        for (Cluster<Model> cluster : found.getAllClusters()) {
            if (!cluster.isNoise()) {
                for (DBIDIter each = cluster.getIDs().iter(); each.valid(); each.advance()) {
                    labels[ids.getOffset(each)] = number;
                }
                number++;
            }
        }
        return new Answer(labels, null);
    }
}
